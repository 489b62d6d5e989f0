"""Every strategy that is shipped holds the conformance kit, found as anybody's would be."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from imbtk import Strategy
from imbtk.discovery.catalogue import Catalogue
from imbtk.testing import parametrize_checks

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def first_party() -> list[type[Strategy]]:
    declared = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]["imbtk"]
    catalogue = Catalogue(points=[EntryPoint(name, value, "imbtk") for name, value in declared.items()])
    for plugin in catalogue.plugins():
        if plugin.error:
            raise plugin.error
    return [cls for cls, _ in catalogue.strategies().values()]


@parametrize_checks(*first_party())
def test_conformance(strategy: Strategy, check: Any) -> None:
    check(strategy)
