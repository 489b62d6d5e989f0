"""imbtk: class imbalance in deep learning, one strategy at a time, combined at runtime.

What plugin authors and users import. Names are loaded when first used, so that ``imbtk --help`` answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from imbtk._version import __version__

if TYPE_CHECKING:
    from imbtk.context import Criterion, EpochOrder, Phase, Rows, RunContext, Split
    from imbtk.data.dataset import Dataset
    from imbtk.draw import Draw
    from imbtk.errors import ImbtkError
    from imbtk.hookspecs import hookimpl
    from imbtk.models.spec import ModelSpec
    from imbtk.options import option
    from imbtk.pipeline import RunResult, run
    from imbtk.prediction import CalibrationMap, DecisionRule
    from imbtk.sampling import EpochSize, expected_rows, order_by_class
    from imbtk.strategy import Strategy

_HOMES = {
    "CalibrationMap": "imbtk.prediction",
    "Criterion": "imbtk.context",
    "Dataset": "imbtk.data.dataset",
    "DecisionRule": "imbtk.prediction",
    "Draw": "imbtk.draw",
    "EpochOrder": "imbtk.context",
    "EpochSize": "imbtk.sampling",
    "ImbtkError": "imbtk.errors",
    "ModelSpec": "imbtk.models.spec",
    "Phase": "imbtk.context",
    "Rows": "imbtk.context",
    "RunContext": "imbtk.context",
    "RunResult": "imbtk.pipeline",
    "Split": "imbtk.context",
    "Strategy": "imbtk.strategy",
    "expected_rows": "imbtk.sampling",
    "hookimpl": "imbtk.hookspecs",
    "option": "imbtk.options",
    "order_by_class": "imbtk.sampling",
    "run": "imbtk.pipeline",
}

__all__ = [
    "CalibrationMap",
    "Criterion",
    "Dataset",
    "DecisionRule",
    "Draw",
    "EpochOrder",
    "EpochSize",
    "ImbtkError",
    "ModelSpec",
    "Phase",
    "Rows",
    "RunContext",
    "RunResult",
    "Split",
    "Strategy",
    "__version__",
    "expected_rows",
    "hookimpl",
    "option",
    "order_by_class",
    "run",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'imbtk' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
