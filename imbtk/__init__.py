"""imbtk: class imbalance in deep learning, one strategy at a time, combined at runtime.

What plugin authors and users import. Names are loaded when first used, so that ``imbtk --help`` answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from imbtk._version import __version__

if TYPE_CHECKING:
    from imbtk.audit import check
    from imbtk.comparison.comparison import Comparison, compare
    from imbtk.context import Augment, Criterion, EpochOrder, Mix, Phase, Rows, RunContext, Split
    from imbtk.data.dataset import Dataset
    from imbtk.draw import Draw
    from imbtk.entry import run
    from imbtk.errors import ImbtkError
    from imbtk.evaluation.intervals import sensitivity_interval
    from imbtk.hookspecs import hookimpl
    from imbtk.integrations.composition import Composition
    from imbtk.integrations.own_loop import compose
    from imbtk.integrations.scikit_learn import ImbalancedClassifier
    from imbtk.models.spec import ModelSpec
    from imbtk.new_data import evaluate
    from imbtk.options import option
    from imbtk.prediction import CalibrationMap, DecisionRule
    from imbtk.result import RunResult, load
    from imbtk.sampling import EpochSize, expected_rows, order_by_class
    from imbtk.strategy import Strategy

_HOMES = {
    "Augment": "imbtk.context",
    "CalibrationMap": "imbtk.prediction",
    "Comparison": "imbtk.comparison.comparison",
    "Composition": "imbtk.integrations.composition",
    "Criterion": "imbtk.context",
    "Dataset": "imbtk.data.dataset",
    "DecisionRule": "imbtk.prediction",
    "Draw": "imbtk.draw",
    "EpochOrder": "imbtk.context",
    "EpochSize": "imbtk.sampling",
    "ImbalancedClassifier": "imbtk.integrations.scikit_learn",
    "ImbtkError": "imbtk.errors",
    "Mix": "imbtk.context",
    "ModelSpec": "imbtk.models.spec",
    "Phase": "imbtk.context",
    "Rows": "imbtk.context",
    "RunContext": "imbtk.context",
    "RunResult": "imbtk.result",
    "Split": "imbtk.context",
    "Strategy": "imbtk.strategy",
    "check": "imbtk.audit",
    "compose": "imbtk.integrations.own_loop",
    "compare": "imbtk.comparison.comparison",
    "evaluate": "imbtk.new_data",
    "expected_rows": "imbtk.sampling",
    "hookimpl": "imbtk.hookspecs",
    "option": "imbtk.options",
    "load": "imbtk.result",
    "order_by_class": "imbtk.sampling",
    "run": "imbtk.entry",
    "sensitivity_interval": "imbtk.evaluation.intervals",
}

__all__ = [
    "Augment",
    "CalibrationMap",
    "Comparison",
    "Composition",
    "Criterion",
    "Dataset",
    "DecisionRule",
    "Draw",
    "EpochOrder",
    "EpochSize",
    "ImbalancedClassifier",
    "ImbtkError",
    "Mix",
    "ModelSpec",
    "Phase",
    "Rows",
    "RunContext",
    "RunResult",
    "Split",
    "Strategy",
    "__version__",
    "check",
    "compare",
    "compose",
    "evaluate",
    "expected_rows",
    "hookimpl",
    "load",
    "option",
    "order_by_class",
    "run",
    "sensitivity_interval",
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
