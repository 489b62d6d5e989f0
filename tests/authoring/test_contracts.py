"""What hooks may return: right and wrong answers of each, and that whoever asks refuses the same."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imbtk import (
    CalibrationMap,
    Dataset,
    DecisionRule,
    EpochOrder,
    Member,
    Phase,
    Rows,
    RunContext,
    Split,
    Strategy,
    View,
    hookimpl,
)
from imbtk.authoring import contracts
from imbtk.authoring.draw import Draw
from imbtk.calibration.chain import calibration_chain
from imbtk.errors import PluginError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.phases import build_phase
from imbtk.planning.plan import PlanItem, PlannedPhase
from imbtk.planning.splitting import make_folds
from imbtk.testing import check_strategy
from imbtk.training.dry_run import dry_run
from imbtk.training.fitting import make_network

LABELS = torch.tensor([0] * 8 + [1] * 4)
COUNTS = torch.tensor([8, 4])
CONTEXT = RunContext(("a", "b"), COUNTS, COUNTS, LABELS, kind="table", sample_shape=(2,), draw=Draw(0, ""))
IMAGES = torch.full((4, 1, 3, 3), 0.5)
SAMPLES, TARGET = torch.zeros(4, 2), F.one_hot(torch.tensor([0, 1, 0, 1]), 2).float()
GROUPS = torch.arange(12) // 2
ROWS = torch.tensor([0, 1, 8, 9])
SPLIT = Split(ROWS, torch.tensor([2, 10]), torch.tensor([3, 11]))


def numbers(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


def rows() -> Rows:
    """Return rows 100 to 111 of some data: what is a position is not what is a row."""
    return Rows(
        indices=torch.arange(100, 112),
        labels=LABELS,
        features_of=lambda indices: np.zeros((len(indices), 2), np.float32),
        synthetic=torch.empty((0, 2)),
        synthetic_labels=torch.empty(0, dtype=torch.int64),
        scale=(np.zeros(2, np.float32), np.ones(2, np.float32)),
    )


def changed(**values: Any) -> Rows:
    return dataclasses.replace(rows(), **values)


def made_up(value: float = 1.0, label: int = 1) -> Rows:
    return rows().with_synthetic(np.full((1, 2), value, np.float32), np.array([label]))


def losses(size: int = 4) -> torch.Tensor:
    return torch.ones(size, requires_grad=True) * 2


# What each function is asked beside the answer; the one for lengths and masses has its own arguments.
ASKED: dict[str, Callable[[Any], str]] = {
    "split": lambda answer: contracts.split_fault(answer, 12, GROUPS),
    "resample": lambda answer: contracts.resample_fault(answer, rows(), CONTEXT),
    "resample images": lambda answer: contracts.resample_fault(
        answer, rows(), dataclasses.replace(CONTEXT, kind="images")
    ),
    "epoch_order": lambda answer: contracts.epoch_order_fault(answer, 12),
    "epoch_lengths": contracts.epoch_lengths_fault,
    "class_mass": lambda answer: contracts.class_mass_fault(answer, 2),
    "class_weights": lambda answer: contracts.class_weights_fault(answer, CONTEXT),
    "class_weights, b absent": lambda answer: contracts.class_weights_fault(
        answer, dataclasses.replace(CONTEXT, class_counts=torch.tensor([12, 0]))
    ),
    "augment": lambda answer: contracts.augment_fault(answer, IMAGES),
    "mix": lambda answer: contracts.mix_fault(answer, SAMPLES, TARGET),
    "loss": lambda answer: contracts.loss_fault(answer, 4),
    "partner": lambda answer: contracts.partner_fault(answer, 3, 12),
    "schedule": contracts.schedule_fault,
    "step": contracts.step_fault,
    "change": contracts.change_fault,
    "head": contracts.head_fault,
    "calibrate": lambda answer: contracts.calibrate_fault(answer, np.array([[0.0, 2.0], [1.0, -1.0]]), 2),
    "decide": lambda answer: contracts.decide_fault(answer, 2),
    "members": lambda answer: contracts.members_fault(
        answer, LABELS, Split(ROWS, torch.tensor([2, 10]), torch.tensor([3, 11]))
    ),
    "views": lambda answer: contracts.views_fault(
        answer, dataclasses.replace(CONTEXT, kind="images", sample_shape=(1, 3, 4))
    ),
}

RIGHT: list[tuple[str, Any]] = [
    ("split", [Split(torch.arange(6), torch.arange(6, 8), torch.arange(8, 12))]),
    ("split", (Split(numbers(0), numbers(2), numbers(4)), Split(numbers(2), numbers(4), numbers(0)))),
    ("resample", rows()),
    ("resample", rows().take(numbers(11, 11, 0))),
    ("resample", made_up()),
    ("resample", made_up().take(numbers(12))),
    ("resample images", rows().take(numbers(3, 2))),
    ("epoch_order", numbers(11, 0, 0)),
    ("epoch_lengths", {0: 12, 1: 12}),
    ("epoch_lengths", {}),
    ("class_mass", torch.tensor([0.25, 0.75])),
    ("class_mass", torch.tensor([1.0, 0.0], dtype=torch.float64)),
    ("class_weights", torch.tensor([0.1, 10.0])),
    ("class_weights", torch.tensor([1, 2])),
    ("class_weights, b absent", torch.tensor([1.0, float("inf")])),
    ("class_weights, b absent", torch.tensor([1.0, 0.0])),
    ("augment", IMAGES),
    ("augment", IMAGES - 0.7),
    ("mix", (SAMPLES, TARGET)),
    ("mix", (SAMPLES + 1, 0.3 * TARGET + 0.7 * TARGET.flip(0))),
    ("loss", losses()),
    ("loss", -losses()),
    ("partner", numbers(11, 0, 0)),
    ("schedule", 0),
    ("schedule", 1.5),
    ("step", torch.tensor(1.0)),
    ("step", losses().mean()),
    ("change", None),
    ("head", torch.nn.Linear(2, 2)),
    ("calibrate", CalibrationMap()),
    ("calibrate", CalibrationMap(2.0, np.array([0.0, -50.0]))),
    ("decide", DecisionRule()),
    ("decide", DecisionRule("probabilities", np.zeros(2), reject_below=0.6, floor=(1, 0.9))),
    ("views", [View()]),
    ("members", [Member(ROWS, 0), Member(ROWS, 1), Member(torch.cat([ROWS, ROWS, numbers(2)]), 0)]),
    ("members", (Member(ROWS, 0, {"lr": 0.1}), Member(ROWS, 0, {"epochs": 3}))),
    ("views", (View(), View(True), View(False, 2))),
]

WRONG: list[tuple[str, Any, str]] = [
    ("members", [], "list instead of a sequence of Member"),
    ("members", [Member([0], 1)], "member 1 with train that is list instead of int64 (n,), n at least 1"),
    ("members", [Member(ROWS, 0, {"data": "x"})], "member 1 with the option 'data', and a member can have model, ep"),
    ("members", [Member(ROWS, 0), Member(torch.cat([ROWS, numbers(3)]), 1)], "member 2 with test rows to learn from"),
    ("members", [Member(torch.cat([ROWS, numbers(5)]), 1)], "member 1 with rows that are neither training nor valid"),
    ("members", [Member(ROWS[LABELS[ROWS] == 0], 1)], "member 1 without a row of a class that the run learns"),
    ("members", [Member(ROWS, 1), Member(ROWS.clone(), 1)], "member 2 that equals one before it: another seed, rows"),
    ("views", [], "list instead of a sequence of View"),
    ("views", View(), "View instead of a sequence of View"),
    ("views", [View(), (True, 2)], "list instead of a sequence of View"),
    ("views", [View(), View(turns=2), View()], "a view twice"),
    ("views", [View(turns=4)], "a view with turns other than 0 to 3"),
    ("views", [View(turns=1)], "a quarter turn of images that are not square (3 x 4)"),
    ("split", None, "NoneType instead of a sequence of Split"),
    ("split", [], "list instead of a sequence of Split"),
    ("split", Split(numbers(0), numbers(2), numbers(4)), "Split instead of a sequence of Split"),
    ("split", [(numbers(0), numbers(2), numbers(4))], "list instead of a sequence of Split"),
    (
        "split",
        [Split(numbers(0), numbers(2).int(), numbers(4))],
        "a split whose validation side is int32 (1,) instead of int64 (n,)",
    ),
    ("split", [Split([0], numbers(2), numbers(4))], "a split whose train side is list instead of int64 (n,)"),  # type: ignore[arg-type]
    ("split", [Split(numbers(0), numbers(2), numbers())], "a split whose test side has no row"),
    ("split", [Split(numbers(0), numbers(2), numbers(12))], "a split whose test side has rows outside [0, 12)"),
    ("split", [Split(numbers(-1), numbers(2), numbers(4))], "a split whose train side has rows outside [0, 12)"),
    ("split", [Split(numbers(0, 2), numbers(2), numbers(4))], "a split in which a row stands twice"),
    ("split", [Split(numbers(0, 0), numbers(2), numbers(4))], "a split in which a row stands twice"),
    ("split", [Split(numbers(0), numbers(1), numbers(4))], "a split that has a group (patient) on two sides"),
    ("resample", None, "NoneType, not Rows"),
    ("resample", torch.arange(12), "int64 (12,), not Rows"),
    ("resample", changed(indices=numbers(100)), "indices and labels that are not int64 of one length"),
    ("resample", changed(labels=LABELS.float()), "indices and labels that are not int64 of one length"),
    (
        "resample",
        changed(synthetic=torch.zeros(1, 3), synthetic_labels=numbers(0)),
        "synthetic rows that are float32 (1, 3) instead of float32 (m, 2)",
    ),
    (
        "resample",
        changed(synthetic=torch.zeros(1, 2).double(), synthetic_labels=numbers(0)),
        "synthetic rows that are float64 (1, 2) instead of float32 (m, 2)",
    ),
    ("resample", changed(synthetic=None), "synthetic rows that are NoneType instead of float32 (m, 2)"),
    (
        "resample",
        changed(synthetic=torch.zeros(2, 2), synthetic_labels=numbers(0)),
        "synthetic labels that are not int64, one for each synthetic row",
    ),
    ("resample", rows().take(numbers()), "no rows at all"),
    ("resample", made_up(float("nan")), "synthetic rows that are not finite"),
    ("resample", made_up(label=2), "labels outside [0, 2)"),
    ("resample", made_up(label=-1), "labels outside [0, 2)"),
    ("resample", changed(indices=numbers(99), labels=numbers(0)), "row 99, which is no training row"),
    ("resample", changed(indices=numbers(112), labels=numbers(0)), "row 112, which is no training row"),
    ("resample", changed(indices=numbers(-1), labels=numbers(0)), "row -1, which is no training row"),
    ("resample", changed(indices=numbers(-500), labels=numbers(0)), "row -500, which is no training row"),
    ("resample", changed(indices=numbers(10**15), labels=numbers(0)), f"row {10**15}, which is no training row"),
    ("resample", changed(labels=LABELS.flip(0)), "rows with labels that are not theirs"),
    ("resample images", made_up(), "synthetic rows for images, which core does not train on"),
    ("epoch_order", None, "NoneType as an order instead of int64 (M,), M at least 1"),
    ("epoch_order", numbers(), "int64 (0,) as an order instead of int64 (M,), M at least 1"),
    ("epoch_order", torch.zeros(2, 2, dtype=torch.int64), "int64 (2, 2) as an order instead of int64 (M,), M at least"),
    ("epoch_order", torch.ones(3), "float32 (3,) as an order"),
    ("epoch_order", numbers(0, 12), "positions outside [0, 12), the rows of the phase"),
    ("epoch_order", numbers(-1, 0), "positions outside [0, 12), the rows of the phase"),
    ("epoch_lengths", {0: 12, 1: 12, 2: 9}, "an order of 12 rows in epoch 1 and 9 rows in epoch 3"),
    ("class_mass", [0.5, 0.5], "a class_mass that is no (2,) of shares summing to one"),
    ("class_mass", torch.tensor([0.5, 0.25, 0.25]), "a class_mass that is no (2,) of shares summing to one"),
    ("class_mass", torch.tensor([0.5, 0.6]), "a class_mass that is no (2,) of shares summing to one"),
    ("class_mass", torch.tensor([-0.5, 1.5]), "a class_mass that is no (2,) of shares summing to one"),
    ("class_mass", torch.tensor([float("nan"), 1.0]), "a class_mass that is no (2,) of shares summing to one"),
    ("class_weights", [1.0, 2.0], "list instead of a tensor of numbers (2,)"),
    ("class_weights", torch.ones(3), "float32 (3,) instead of a tensor of numbers (2,)"),
    ("class_weights", torch.ones(2, 1), "float32 (2, 1) instead of a tensor of numbers (2,)"),
    ("class_weights", torch.ones(2).bool(), "bool (2,) instead of a tensor of numbers (2,)"),
    ("class_weights", torch.ones(2).cfloat(), "complex64 (2,) instead of a tensor of numbers (2,)"),
    ("class_weights", torch.tensor([1.0, 0.0]), "a weight for class 'b' that is not finite and positive"),
    ("class_weights", torch.tensor([-1.0, 1.0]), "a weight for class 'a' that is not finite and positive"),
    ("class_weights", torch.tensor([float("nan"), 1.0]), "a weight for class 'a' that is not finite and positive"),
    ("class_weights", torch.tensor([1.0, float("inf")]), "a weight for class 'b' that is not finite and positive"),
    ("augment", None, "NoneType instead of images as they were given, float32 (4, 1, 3, 3)"),
    ("augment", IMAGES[:3], "float32 (3, 1, 3, 3) instead of images as they were given, float32 (4, 1, 3, 3)"),
    ("augment", IMAGES.half(), "float16 (4, 1, 3, 3) instead of images as they were given"),
    ("augment", IMAGES / 0, "images that are not finite"),
    ("augment", IMAGES * 255, "values from 128 to 128, of images in [0, 1]"),
    ("augment", IMAGES - 2, "values from -1.5 to -1.5, of images in [0, 1]"),
    ("mix", SAMPLES, "float32 (4, 2) instead of (images, target)"),
    ("mix", (SAMPLES, TARGET, 0.5), "tuple instead of (images, target)"),
    ("mix", (SAMPLES[:2], TARGET), "float32 (2, 2) instead of images as they were given, float32 (4, 2)"),
    ("mix", (SAMPLES, TARGET.argmax(1)), "int64 (4,) instead of targets as they were given, float32 (4, 2)"),
    ("mix", (SAMPLES + float("inf"), TARGET), "images that are not finite"),
    ("mix", (SAMPLES, TARGET * float("nan")), "targets that are not finite"),
    ("mix", (SAMPLES, TARGET / 2), "targets whose rows are no shares that sum to one"),
    ("mix", (SAMPLES, TARGET * 3 - 1), "targets whose rows are no shares that sum to one"),
    ("loss", 2.0, "float instead of a loss per sample, unreduced, (4,)"),
    ("loss", losses().mean(), "float32 () instead of a loss per sample, unreduced, (4,)"),
    ("loss", losses(3), "float32 (3,) instead of a loss per sample, unreduced, (4,)"),
    ("loss", torch.ones(4, dtype=torch.int64), "int64 (4,) instead of a loss per sample, unreduced, (4,)"),
    ("loss", losses() / 0, "losses that are not finite"),
    ("loss", losses().detach(), "a loss that has no gradient, so that nothing can be learnt from it"),
    ("head", None, "NoneType, not a torch Module"),
    ("head", torch.nn.Linear, "type, not a torch Module"),
    ("calibrate", np.eye(2), "ndarray, not a CalibrationMap"),
    ("calibrate", CalibrationMap(0.0), "a CalibrationMap with a scale of 0.0 instead of a number above 0"),
    ("calibrate", CalibrationMap(shift=np.zeros(3)), "a CalibrationMap with "),
    (
        "calibrate",
        CalibrationMap(1e308, np.array([1e308, 0.0])),
        "a CalibrationMap that gives probabilities that are not finite, or do not sum to one",
    ),
    ("partner", [0, 1, 2], "list as an order instead of int64"),
    ("partner", numbers(0, 1, 12), "positions outside [0, 12)"),
    ("partner", numbers(0, 1), "2 positions for an order of 3"),
    ("schedule", -0.1, "-0.1 as a factor instead of a number from 0 up"),
    ("schedule", float("nan"), "nan as a factor instead of a number from 0 up"),
    ("schedule", True, "bool as a factor instead of a number from 0 up"),
    ("schedule", torch.tensor(1.0), "float32 () as a factor instead of a number from 0 up"),
    ("step", None, "NoneType instead of the loss that the closure gave, ()"),
    ("step", torch.ones(4), "float32 (4,) instead of the loss that the closure gave, ()"),
    ("step", torch.tensor(1), "int64 () instead of the loss that the closure gave, ()"),
    ("change", torch.nn.Linear(2, 2), "Linear and not None: it changes what it is given"),
    ("decide", None, "NoneType, not a DecisionRule"),
    ("decide", DecisionRule("scores"), "a DecisionRule with on='scores' instead of 'logits' or 'probabilities'"),
    ("decide", DecisionRule(shift=np.zeros(3)), "a DecisionRule with "),
    ("decide", DecisionRule(cost=np.full((2, 2), np.nan)), "a DecisionRule with "),
]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("asked", ASKED)
def test_what_is_right_has_no_fault_and_what_is_wrong_is_said(asked: str) -> None:
    right = [answer for name, answer in RIGHT if name == asked]
    wrong = [(answer, fault) for name, answer, fault in WRONG if name == asked]
    assert right or wrong
    for answer in right:
        assert ASKED[asked](answer) == "", answer
    for answer, fault in wrong:
        assert ASKED[asked](answer).startswith(fault), (answer, ASKED[asked](answer))


def test_every_function_is_in_the_table() -> None:
    named = {name.split(",")[0].split(" ")[0] + "_fault" for name in ASKED}
    assert named == set(contracts.__all__)
    assert {name for name, _ in RIGHT} | {name for name, _, _ in WRONG} == set(ASKED)
    assert {name for name, _ in RIGHT} >= {name.split(",")[0] for name, _, _ in WRONG} - {"resample images"}


# Whoever asks: core before training, and the conformance kit. ----------------------------------------------------


class Gives(Strategy):
    """The parent of strategies that each answer one hook wrongly."""


def gives(hook: str, answer: Callable[..., Any]) -> Strategy:
    """Return a strategy whose `hook` is `answer`, with the arguments that it names."""
    return type("Wrong", (Gives,), {"__doc__": "Wrong.", "name": "wrong", hook: hookimpl(answer)})()


class Case(NamedTuple):
    """A wrong answer to a hook, and what core and the kit say of it."""

    hook: str
    answer: Callable[..., Any]
    said: str


CASES = {
    "folds": Case("imbtk_split", lambda self, dataset: [dataset], "list instead of a sequence of Split"),
    "a row twice": Case(
        "imbtk_split",
        lambda self, dataset: [Split(*[torch.arange(len(dataset))] * 3)],
        "a split in which a row stands twice",
    ),
    "no rows": Case("imbtk_resample", lambda self, rows: rows.indices, ", not Rows"),
    "another row": Case(
        "imbtk_resample",
        lambda self, rows: dataclasses.replace(rows, indices=rows.indices + 1),
        ", which is no training row",
    ),
    "a row far below": Case(
        "imbtk_resample",
        lambda self, rows: dataclasses.replace(rows, indices=rows.indices - 10**6),
        ", which is no training row",
    ),
    "other labels": Case(
        "imbtk_resample",
        lambda self, rows: dataclasses.replace(rows, labels=rows.labels.roll(1)),
        "rows with labels that are not theirs",
    ),
    "an order of floats": Case(
        "imbtk_epoch_order", lambda self: lambda epoch, draw: torch.ones(3), "float32 (3,) as an order instead of int64"
    ),
    "an order of other rows": Case(
        "imbtk_epoch_order", lambda self: lambda epoch, draw: numbers(10**6), "positions outside [0, "
    ),
    "an order that shrinks": Case(
        "imbtk_epoch_order", lambda self: lambda epoch, draw: torch.arange(5 - epoch), "an order of 5 rows in epoch 1"
    ),
    "too much mass": Case(
        "imbtk_epoch_order",
        lambda self, context: EpochOrder(
            lambda epoch, draw: torch.arange(5), torch.full((context.num_classes,), 2 / context.num_classes)
        ),
        ") of shares summing to one",
    ),
    "no tensor": Case("imbtk_class_weights", lambda self: 2.0, "float instead of a tensor of numbers ("),
    "a weight of nothing": Case(
        "imbtk_class_weights",
        lambda self, context: torch.zeros(context.num_classes),
        "that is not finite and positive",
    ),
    "a mean": Case(
        "imbtk_criterion",
        lambda self: lambda logits, target: F.cross_entropy(logits, target),
        "float32 () instead of a loss per sample, unreduced, (",
    ),
    "nothing to learn": Case(
        "imbtk_criterion",
        lambda self: lambda logits, target: F.cross_entropy(logits.detach(), target, reduction="none"),
        "a loss that has no gradient, so that nothing can be learnt from it",
    ),
    "bytes": Case(
        "imbtk_augment",
        lambda self: lambda images, target, draw: (images * 255).byte(),
        " instead of images as they were given, float32 (",
    ),
    "up to 255": Case("imbtk_augment", lambda self: lambda images, target, draw: images * 255, ", of images in [0, 1]"),
    "samples alone": Case(
        "imbtk_mix", lambda self: lambda images, target, draw: images, " instead of (images, target)"
    ),
    "doubled": Case(
        "imbtk_mix", lambda self: lambda images, target, draw: (images, 2 * target), "no shares that sum to one"
    ),
    "partners elsewhere": Case(
        "imbtk_partner", lambda self: lambda epoch, order, draw: order + 10**6, "positions outside [0, "
    ),
    "a partner for one": Case(
        "imbtk_partner", lambda self: lambda epoch, order, draw: order[:1], "1 positions for an order of "
    ),
    "uphill": Case("imbtk_schedule", lambda self: lambda step, steps: -1.0, "-1.0 as a factor instead of a number"),
    "a mean of the objective": Case(
        "imbtk_objective",
        lambda self, objective: lambda outputs, batch: objective(outputs, batch).mean(),
        "float32 () instead of a loss per sample, unreduced, (",
    ),
    "an objective without a gradient": Case(
        "imbtk_objective",
        lambda self, objective: lambda outputs, batch: objective(outputs, batch).detach(),
        "a loss that has no gradient, so that nothing can be learnt from it",
    ),
    "a step without a word": Case(
        "imbtk_step",
        lambda self, step: lambda optimizer, closure: [step(optimizer, closure)],
        "list instead of the loss that the closure gave, ()",
    ),
    "the network": Case("imbtk_network", lambda self, network: network, "Network and not None: it changes what"),
    "the finished network": Case("imbtk_finish", lambda self, network: network, "Network and not None: it changes"),
    "a matrix": Case("imbtk_calibrate", lambda self: np.eye(2), "ndarray, not a CalibrationMap"),
    "a scale of nothing": Case("imbtk_calibrate", lambda self: CalibrationMap(0.0), "a scale of 0.0 instead of"),
}


def core_refuses(strategy: Strategy, hook: str) -> None:
    """Ask as a run does before it trains."""
    item = PlanItem(strategy, None, "acme 1.0", "wrong")
    planned = PlannedPhase(Phase(0, 0, 3), (item,))
    if hook == "imbtk_split":
        dataset = Dataset("made up", "table", torch.zeros(12, 2), LABELS, ("a", "b"))
        make_folds([item], dataset, CONTEXT, seed=0, fold=0)
    elif hook == "imbtk_calibrate":
        logits = np.zeros((12, 2))
        calibration_chain([item], CalibrationMap(), logits, LABELS.numpy(), CONTEXT)
    elif hook in ("imbtk_criterion", "imbtk_augment", "imbtk_mix"):
        dry_run(planned, dataclasses.replace(CONTEXT, kind="images", sample_shape=(1, 3, 3)))
    elif hook in ("imbtk_objective", "imbtk_step", "imbtk_network", "imbtk_finish"):
        data = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3 // 2
        run = prepare(make_config({"epochs": 1, "model": "linear", "device": "cpu"}), data, [strategy])
        make_network(run)
    else:
        build_phase(planned, rows(), CONTEXT)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_core_and_the_kit_refuse_the_same_in_the_same_words(case: Case) -> None:
    strategy = gives(case.hook, case.answer)
    with pytest.raises(PluginError) as caught:
        core_refuses(strategy, case.hook)
    assert case.said in str(caught.value)
    assert re.match(r"strategy 'wrong' \(.*?\) returned ", str(caught.value))
    failed = [result.reason for result in check_strategy(strategy, on_fail="return") if result.outcome == "failed"]
    assert any(case.said in reason for reason in failed), failed


def test_a_table_has_no_views() -> None:
    assert contracts.views_fault([View()], CONTEXT) == "views of rows that are no images"
