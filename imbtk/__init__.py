"""imbtk: class imbalance in deep learning, one strategy at a time, combined at runtime.

What plugin authors and users import. Names are loaded when first used, so that ``imbtk --help`` answers at once.

The rooms, each importing from those below it (``docs/architecture.md``):

cli
    thin commands
comparison, integrations, testing, scaffold
    many plans on the same splits; scikit-learn and a loop of one's own; the conformance kit; ``new-plugin``
pipeline
    one run, start to finish
training, calibration, inference, audit
    the loop; logits to probabilities to classes; a finished run on new rows; ``imbtk check``
planning, report, console
    what will be trained; pages and plots; progress and tables on a terminal
data, models, evaluation, discovery, runs
    anything a user has to a data set; networks; metrics; installed plugins; the run folder as a format
authoring
    what a strategy's author uses
errors, wording, files
    the ground
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from imbtk._version import __version__

if TYPE_CHECKING:
    from imbtk.audit import check
    from imbtk.authoring.context import Augment, Criterion, EpochOrder, Mix, Phase, Rows, RunContext, Split
    from imbtk.authoring.draw import Draw
    from imbtk.authoring.hookspecs import hookimpl
    from imbtk.authoring.options import option
    from imbtk.authoring.prediction import CalibrationMap, DecisionRule
    from imbtk.authoring.sampling import EpochSize, expected_rows, order_by_class
    from imbtk.authoring.strategy import Strategy
    from imbtk.comparison.comparison import Comparison, compare
    from imbtk.comparison.entry import run
    from imbtk.data.dataset import Dataset
    from imbtk.data.group_folds import GroupPool
    from imbtk.errors import ImbtkError
    from imbtk.evaluation.intervals import sensitivity_interval
    from imbtk.inference.new_data import evaluate
    from imbtk.inference.result import RunResult, load
    from imbtk.integrations.composition import Composition
    from imbtk.integrations.own_loop import compose
    from imbtk.integrations.scikit_learn import ImbalancedClassifier
    from imbtk.models.spec import ModelSpec

_HOMES = {
    "Augment": "imbtk.authoring.context",
    "CalibrationMap": "imbtk.authoring.prediction",
    "Comparison": "imbtk.comparison.comparison",
    "Composition": "imbtk.integrations.composition",
    "Criterion": "imbtk.authoring.context",
    "Dataset": "imbtk.data.dataset",
    "DecisionRule": "imbtk.authoring.prediction",
    "Draw": "imbtk.authoring.draw",
    "EpochOrder": "imbtk.authoring.context",
    "EpochSize": "imbtk.authoring.sampling",
    "GroupPool": "imbtk.data.group_folds",
    "ImbalancedClassifier": "imbtk.integrations.scikit_learn",
    "ImbtkError": "imbtk.errors",
    "Mix": "imbtk.authoring.context",
    "ModelSpec": "imbtk.models.spec",
    "Phase": "imbtk.authoring.context",
    "Rows": "imbtk.authoring.context",
    "RunContext": "imbtk.authoring.context",
    "RunResult": "imbtk.inference.result",
    "Split": "imbtk.authoring.context",
    "Strategy": "imbtk.authoring.strategy",
    "check": "imbtk.audit",
    "compose": "imbtk.integrations.own_loop",
    "compare": "imbtk.comparison.comparison",
    "evaluate": "imbtk.inference.new_data",
    "expected_rows": "imbtk.authoring.sampling",
    "hookimpl": "imbtk.authoring.hookspecs",
    "option": "imbtk.authoring.options",
    "load": "imbtk.inference.result",
    "order_by_class": "imbtk.authoring.sampling",
    "run": "imbtk.comparison.entry",
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
    "GroupPool",
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
