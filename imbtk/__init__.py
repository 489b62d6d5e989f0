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
    from imbtk.audit.inspection import check
    from imbtk.authoring.context import Augment, Criterion, EpochOrder, Member, Mix, Phase, Rows, RunContext, Split
    from imbtk.authoring.draw import Draw
    from imbtk.authoring.hookspecs import hookimpl
    from imbtk.authoring.options import option
    from imbtk.authoring.prediction import CalibrationMap, DecisionRule, View
    from imbtk.authoring.recipes import PublishedRow, PublishedTable, Recipe, Suits
    from imbtk.authoring.records import Batch, Objective, Outputs, Partner, ScheduleFunction, TakeStep, TrainingRows
    from imbtk.authoring.sampling import EpochSize, expected_rows, order_by_class, shuffled
    from imbtk.authoring.strategy import Strategy
    from imbtk.comparison.comparison import Comparison, compare
    from imbtk.comparison.entry import run
    from imbtk.comparison.recommend import recommend
    from imbtk.comparison.reproduction import reproduce
    from imbtk.data.dataset import Dataset
    from imbtk.data.group_folds import GroupPool
    from imbtk.errors import ImbtkError
    from imbtk.evaluation.intervals import sensitivity_interval
    from imbtk.inference.new_data import evaluate
    from imbtk.inference.result import RunResult, load
    from imbtk.integrations.composition import Composition
    from imbtk.integrations.own_loop import compose
    from imbtk.integrations.scikit_learn import ImbalancedClassifier
    from imbtk.models.heads import CosineHead, LinearHead, ScaledHead
    from imbtk.models.network import Network
    from imbtk.models.spec import ModelSpec

_HOMES = {
    name: module
    for module, names in {
        "imbtk.audit.inspection": "check",
        "imbtk.authoring.context": "Augment Criterion EpochOrder Member Mix Phase Rows RunContext Split",
        "imbtk.authoring.draw": "Draw",
        "imbtk.authoring.hookspecs": "hookimpl",
        "imbtk.authoring.options": "option",
        "imbtk.authoring.prediction": "CalibrationMap DecisionRule View",
        "imbtk.authoring.recipes": "PublishedRow PublishedTable Recipe Suits",
        "imbtk.authoring.records": "Batch Objective Outputs Partner ScheduleFunction TakeStep TrainingRows",
        "imbtk.authoring.sampling": "EpochSize expected_rows order_by_class shuffled",
        "imbtk.authoring.strategy": "Strategy",
        "imbtk.comparison.comparison": "Comparison compare",
        "imbtk.comparison.entry": "run",
        "imbtk.comparison.recommend": "recommend",
        "imbtk.comparison.reproduction": "reproduce",
        "imbtk.data.dataset": "Dataset",
        "imbtk.data.group_folds": "GroupPool",
        "imbtk.errors": "ImbtkError",
        "imbtk.evaluation.intervals": "sensitivity_interval",
        "imbtk.inference.new_data": "evaluate",
        "imbtk.inference.result": "RunResult load",
        "imbtk.integrations.composition": "Composition",
        "imbtk.integrations.own_loop": "compose",
        "imbtk.integrations.scikit_learn": "ImbalancedClassifier",
        "imbtk.models.heads": "CosineHead LinearHead ScaledHead",
        "imbtk.models.network": "Network",
        "imbtk.models.spec": "ModelSpec",
    }.items()
    for name in names.split()
}

__all__ = [
    "Augment",
    "Batch",
    "CalibrationMap",
    "Comparison",
    "Composition",
    "CosineHead",
    "Criterion",
    "Dataset",
    "DecisionRule",
    "Draw",
    "EpochOrder",
    "EpochSize",
    "GroupPool",
    "ImbalancedClassifier",
    "ImbtkError",
    "LinearHead",
    "Member",
    "Mix",
    "ModelSpec",
    "Network",
    "Objective",
    "Outputs",
    "Partner",
    "Phase",
    "PublishedRow",
    "PublishedTable",
    "Recipe",
    "Rows",
    "RunContext",
    "RunResult",
    "ScaledHead",
    "ScheduleFunction",
    "Split",
    "Strategy",
    "Suits",
    "TakeStep",
    "TrainingRows",
    "View",
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
    "recommend",
    "reproduce",
    "run",
    "sensitivity_interval",
    "shuffled",
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
