"""The JSON Schemas (2020-12) of what a run and a comparison leave behind."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

__all__ = ["schema"]


def schema(name: str) -> dict[str, Any]:
    """Return the schema of ``metrics.json``, ``decision.json`` or ``comparison.json``, by the name without ending."""
    text = resources.files("imbtk.runs.schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
