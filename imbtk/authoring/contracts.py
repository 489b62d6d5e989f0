"""What hooks may return, a function each: building a phase, the dry run and the conformance kit all ask these.

Each returns what is wrong, in words that go on after "returned" or "a callable that gives"; empty if nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from imbtk.authoring.context import Member, Rows, RunContext, Split
from imbtk.authoring.prediction import CalibrationMap, DecisionRule, View

__all__ = [
    "augment_fault",
    "calibrate_fault",
    "change_fault",
    "class_mass_fault",
    "class_weights_fault",
    "decide_fault",
    "epoch_lengths_fault",
    "epoch_order_fault",
    "head_fault",
    "loss_fault",
    "members_fault",
    "mix_fault",
    "partner_fault",
    "resample_fault",
    "schedule_fault",
    "split_fault",
    "step_fault",
    "views_fault",
]

RANGE = (-1.0, 2.0)
"""Where values of augmented images lie: those given are in [0, 1], and overshooting a little is no fault."""


def split_fault(folds: Any, size: int, groups: torch.Tensor | None) -> str:
    """Look at what ``imbtk_split`` returned for `size` rows, each of one of the `groups` (N,) if they are given."""
    if not isinstance(folds, Sequence) or not folds or not all(isinstance(fold, Split) for fold in folds):
        return f"{_called(folds)} instead of a sequence of Split"
    return next((fault for fold in folds if (fault := _fold_fault(fold, size, groups))), "")


def _fold_fault(fold: Split, size: int, groups: torch.Tensor | None) -> str:
    sides = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    for name, rows in sides.items():
        if not _is_indices(rows):
            return f"a split whose {name} side is {_called(rows)} instead of int64 (n,)"
        if not len(rows):
            return f"a split whose {name} side has no row"
        if int(rows.min()) < 0 or int(rows.max()) >= size:
            return f"a split whose {name} side has rows outside [0, {size})"
    if int(torch.bincount(torch.cat(list(sides.values()))).max()) > 1:
        return "a split in which a row stands twice"
    if groups is not None:
        of_sides = [torch.unique(groups[rows]) for rows in sides.values()]
        if len(torch.unique(torch.cat(of_sides))) < sum(map(len, of_sides)):
            return "a split that has a group (patient) on two sides"
    return ""


MEMBER_OPTIONS = (
    "model", "epochs", "batch_size", "accumulate", "optimizer", "lr", "lr_backbone", "weight_decay", "schedule",
    "warmup", "milestones", "fall", "clip_norm",
)  # fmt: skip
"""What a member may have of its own: never data, split, deployment or output."""


def members_fault(members: Any, labels: torch.Tensor, split: Split) -> str:
    """Look at what ``imbtk_members`` returned for rows with these `labels` (N,), split so."""
    if not isinstance(members, Sequence) or not members or not all(isinstance(member, Member) for member in members):
        return f"{_called(members)} instead of a sequence of Member"
    learnt = set(torch.unique(labels[split.train]).tolist())
    told: list[Member] = []
    for number, member in enumerate(members, 1):
        if not _is_indices(member.train) or not len(member.train):
            return f"member {number} with train that is {_called(member.train)} instead of int64 (n,), n at least 1"
        if strange := sorted(set(member.options) - set(MEMBER_OPTIONS)):
            return f"member {number} with the option '{strange[0]}', and a member can have {', '.join(MEMBER_OPTIONS)}"
        if torch.isin(member.train, split.test).any():
            return f"member {number} with test rows to learn from"
        if not torch.isin(member.train, torch.cat([split.train, split.validation])).all():
            return f"member {number} with rows that are neither training nor validation rows of the run"
        if learnt - set(torch.unique(labels[member.train]).tolist()):
            return f"member {number} without a row of a class that the run learns"
        if any(_same_member(member, other) for other in told):
            return f"member {number} that equals one before it: another seed, rows or options make it another model"
        told.append(member)
    return ""


def _same_member(one: Member, other: Member) -> bool:
    same = one.seed == other.seed and dict(one.options) == dict(other.options)
    return same and torch.equal(one.train, other.train)


def resample_fault(rows: Any, given: Rows, context: RunContext) -> str:
    """Look at what ``imbtk_resample`` returned for the rows `given`, which are for training."""
    if not isinstance(rows, Rows):
        return f"{_called(rows)}, not Rows"
    if not (_is_indices(rows.indices) and _is_indices(rows.labels) and len(rows.indices) == len(rows.labels)):
        return "indices and labels that are not int64 of one length"
    made = rows.synthetic
    if not isinstance(made, torch.Tensor) or made.dtype != torch.float32 or made.shape[1:] != given.synthetic.shape[1:]:
        return f"synthetic rows that are {_called(made)} instead of float32 (m, {given.synthetic.shape[1]})"
    if not _is_indices(rows.synthetic_labels) or len(rows.synthetic) != len(rows.synthetic_labels):
        return "synthetic labels that are not int64, one for each synthetic row"
    if context.kind == "images" and len(rows.synthetic):
        return "synthetic rows for images, which core does not train on"
    if not len(rows.all_labels):
        return "no rows at all"
    if not bool(rows.synthetic.isfinite().all()):
        return "synthetic rows that are not finite"
    if int(rows.all_labels.min()) < 0 or int(rows.all_labels.max()) >= context.num_classes:
        return f"labels outside [0, {context.num_classes})"
    if rows.indices is given.indices and rows.labels is given.labels:
        return ""
    return _training_rows_fault(rows, given)


def _training_rows_fault(rows: Rows, given: Rows) -> str:
    """Say which rows are not for training, or have labels that are not theirs."""
    label_of = torch.full((int(given.indices.max()) + 1,), -1)
    label_of[given.indices] = given.labels
    # Rows may be any numbers: far below, or beyond all memory.
    inside = rows.indices.clamp(0, len(label_of) - 1)
    outside = rows.indices[(inside != rows.indices) | (label_of[inside] < 0)]
    if len(outside):
        return f"row {int(outside[0])}, which is no training row"
    return "" if torch.equal(label_of[inside], rows.labels) else "rows with labels that are not theirs"


def epoch_order_fault(positions: Any, size: int) -> str:
    """Look at one epoch's order of a phase of `size` rows."""
    if not _is_indices(positions) or not len(positions):
        return f"{_called(positions)} as an order instead of int64 (M,), M at least 1"
    if int(positions.min()) < 0 or int(positions.max()) >= size:
        return f"positions outside [0, {size}), the rows of the phase"
    return ""


def epoch_lengths_fault(lengths: Mapping[int, int]) -> str:
    """Look at how many rows epochs have, by their numbers."""
    first: dict[int, int] = {}
    for epoch, length in lengths.items():
        first.setdefault(length, epoch)
    if len(first) < 2:
        return ""
    said = " and ".join(f"{length} rows in epoch {epoch + 1}" for length, epoch in first.items())
    return f"an order of {said} (plan, schedule and history need one length for all epochs of a phase)"


def partner_fault(positions: Any, length: int, size: int) -> str:
    """Look at the second rows of one epoch of `length` rows, in a phase of `size`."""
    if fault := epoch_order_fault(positions, size):
        return fault
    return "" if len(positions) == length else f"{len(positions)} positions for an order of {length}"


def schedule_fault(factor: Any) -> str:
    """Look at a factor on the learning rate."""
    if isinstance(factor, (int, float)) and not isinstance(factor, bool) and math.isfinite(factor) and factor >= 0:
        return ""
    return f"{factor if isinstance(factor, float) else _called(factor)} as a factor instead of a number from 0 up"


def class_mass_fault(mass: Any, num_classes: int) -> str:
    """Look at the class mass that an epoch order states."""
    fits = isinstance(mass, torch.Tensor) and mass.shape == (num_classes,)
    if not fits or not bool((mass >= 0).all()) or abs(float(mass.sum()) - 1) > 1e-6:
        return f"a class_mass that is no ({num_classes},) of shares summing to one"
    return ""


def class_weights_fault(weights: Any, context: RunContext) -> str:
    """Look at what ``imbtk_class_weights`` returned."""
    if (
        not isinstance(weights, torch.Tensor)
        or weights.shape != (context.num_classes,)
        or weights.dtype == torch.bool
        or weights.is_complex()
    ):
        return f"{_called(weights)} instead of a tensor of numbers ({context.num_classes},)"
    bad = (context.class_counts > 0) & ~(weights.isfinite() & (weights > 0)).cpu()
    if bool(bad.any()):
        return f"a weight for class '{context.class_names[int(bad.nonzero()[0])]}' that is not finite and positive"
    return ""


def augment_fault(made: Any, given: torch.Tensor) -> str:
    """Look at what an augmentation made of the images `given`, in [0, 1]."""
    if fault := _tensor_fault(made, given, "images"):
        return fault
    low, high = float(made.min()), float(made.max())
    if low < RANGE[0] or high > RANGE[1]:
        return f"values from {low:.3g} to {high:.3g}, of images in [0, 1]"
    return ""


def mix_fault(mixed: Any, samples: torch.Tensor, target: torch.Tensor) -> str:
    """Look at what mixing made of samples and their targets (B, K)."""
    if not isinstance(mixed, tuple) or len(mixed) != 2:
        return f"{_called(mixed)} instead of (images, target)"
    if fault := _tensor_fault(mixed[0], samples, "images") or _tensor_fault(mixed[1], target, "targets"):
        return fault
    sums = mixed[1].sum(dim=1)
    if bool((mixed[1] < 0).any()) or not torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        return "targets whose rows are no shares that sum to one"
    return ""


def loss_fault(loss: Any, size: int, values: bool = True) -> str:
    """Look at what a criterion, or an objective, gives for a batch of `size`, whose logits ask for a gradient.

    Without `values` numbers are not looked at, which on a GPU would have to be waited for.
    """
    if not isinstance(loss, torch.Tensor) or loss.shape != (size,) or not loss.is_floating_point():
        return f"{_called(loss)} instead of a loss per sample, unreduced, ({size},)"
    if values and not bool(loss.isfinite().all()):
        return "losses that are not finite"
    return "" if loss.requires_grad else "a loss that has no gradient, so that nothing can be learnt from it"


def step_fault(loss: Any) -> str:
    """Look at what a step gives."""
    if isinstance(loss, torch.Tensor) and loss.shape == () and loss.is_floating_point():
        return ""
    return f"{_called(loss)} instead of the loss that the closure gave, ()"


def change_fault(answer: Any) -> str:
    """Look at what ``imbtk_network`` or ``imbtk_finish`` returned."""
    return "" if answer is None else f"{_called(answer)} and not None: it changes what it is given"


def head_fault(head: Any) -> str:
    """Look at what ``imbtk_head`` or ``imbtk_refit`` returned; :func:`imbtk.models.trial.check_head` tries it."""
    return "" if isinstance(head, torch.nn.Module) else f"{_called(head)}, not a torch Module"


def calibrate_fault(made: Any, logits: np.ndarray, num_classes: int) -> str:
    """Look at what ``imbtk_calibrate`` returned, and at what it makes of logits (n, K)."""
    if not isinstance(made, CalibrationMap):
        return f"{_called(made)}, not a CalibrationMap"
    if fault := made.fault(num_classes):
        return f"a CalibrationMap with {fault}"
    with np.errstate(all="ignore"):
        probabilities = made.probabilities(logits)
    if not np.isfinite(probabilities).all() or not np.allclose(probabilities.sum(axis=1), 1):
        return "a CalibrationMap that gives probabilities that are not finite, or do not sum to one"
    return ""


def decide_fault(rule: Any, num_classes: int) -> str:
    """Look at what ``imbtk_decide`` returned."""
    if not isinstance(rule, DecisionRule):
        return f"{_called(rule)}, not a DecisionRule"
    fault = rule.fault(num_classes)
    return f"a DecisionRule with {fault}" if fault else ""


def views_fault(views: Any, context: RunContext) -> str:
    """Look at what ``imbtk_views`` returned."""
    if not isinstance(views, Sequence) or not views or not all(isinstance(view, View) for view in views):
        return f"{_called(views)} instead of a sequence of View"
    if len(set(views)) < len(views):
        return "a view twice"
    if any(view.turns not in range(4) for view in views):
        return "a view with turns other than 0 to 3"
    if context.kind != "images":
        return "views of rows that are no images"
    if context.sample_shape[-1] != context.sample_shape[-2] and any(view.turns % 2 for view in views):
        return f"a quarter turn of images that are not square ({context.sample_shape[-2]} x {context.sample_shape[-1]})"
    return ""


def _is_indices(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.int64 and value.dim() == 1


def _tensor_fault(value: Any, like: torch.Tensor, noun: str) -> str:
    if not isinstance(value, torch.Tensor) or value.shape != like.shape or value.dtype != like.dtype:
        return f"{_called(value)} instead of {noun} as they were given, {_called(like)}"
    return "" if bool(value.isfinite().all()) else f"{noun} that are not finite"


def _called(value: Any) -> str:
    """Return what a value is, for people: dtype and shape, or its type."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__
