"""Every strategy that is shipped holds the conformance kit, found as anybody's would be."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from imbtk import Strategy
from imbtk.discovery.catalogue import Catalogue
from imbtk.testing import check_strategy

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def first_party() -> list[type[Strategy]]:
    declared = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]["imbtk"]
    catalogue = Catalogue(points=[EntryPoint(name, value, "imbtk") for name, value in declared.items()])
    for plugin in catalogue.plugins():
        if plugin.error:
            raise plugin.error
    return [cls for cls, _ in catalogue.strategies().values()]


@pytest.mark.parametrize("strategy", first_party(), ids=lambda cls: cls.name)
def test_conformance(strategy: type[Strategy]) -> None:
    """Every check at once: a failure names each that does not hold."""
    check_strategy(strategy)
