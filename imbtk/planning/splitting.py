"""The split stage: who puts which row on which side, an imbalance on training rows, and splits inside of a split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from imbtk.authoring.context import RunContext, Split
from imbtk.authoring.contracts import split_fault
from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.data.hold_out import cut, hold_out
from imbtk.data.imbalance import induce
from imbtk.data.leaks import check_split
from imbtk.errors import OptionError
from imbtk.planning.dispatch import Dispatcher, wrong_result
from imbtk.planning.plan import PlanItem

__all__ = ["FEWEST_FOLDS", "absent_classes", "induced", "inner_splits", "make_folds"]

FEWEST_FOLDS = 3
"""With two folds the rows outside of one test side are the other, and none are left to train an inner model on."""


def make_folds(
    items: Sequence[PlanItem], dataset: Dataset, context: RunContext, seed: int, fold: int
) -> tuple[Split, ...]:
    """Return the splits of all folds, checked; a hold-out if no strategy splits.

    Parameters
    ----------
    items : sequence of PlanItem
    dataset : Dataset
    context : RunContext
        Of all rows.
    seed : int
    fold : int
        The one that is going to be trained.

    Raises
    ------
    PluginError
        If a strategy returns something else than splits.
    OptionError
        If there is no such fold.
    DataError
        If a row or a group is on two sides.
    """
    answer = Dispatcher(items).choice("imbtk_split", dataset=dataset, context=context)
    folds: Sequence[Split] = [hold_out(dataset, seed)]
    if answer is not None:
        folds, item = answer
        if fault := split_fault(folds, len(dataset), None):
            raise wrong_result(item, "imbtk_split", fault)
    if fold >= len(folds):
        raise OptionError(f"there is no fold {fold}: the split has {len(folds)}, counted from 0.")
    for split in folds:
        check_split(dataset, split)
    return tuple(folds)


def induced(dataset: Dataset, split: Split) -> tuple[Split, torch.Tensor]:
    """Return the split with an imbalance induced on its training rows, and the rows taken away."""
    if dataset.induced is None:
        return split, torch.empty(0, dtype=torch.int64)
    kept = induce(dataset.labels, split.train, dataset.induced, dataset.num_classes)
    return dataclasses.replace(split, train=kept), split.train[~torch.isin(split.train, kept)]


def inner_splits(dataset: Dataset, folds: Sequence[Split], fold: int, seed: int) -> tuple[Split, ...]:
    """Return splits whose test sides are together all rows outside of the run's test side, which none of them has.

    What is trained on these predicts every row outside of the run's test side without having seen it.

    Parameters
    ----------
    dataset : Dataset
    folds : sequence of Split
    fold : int
        The fold of the run.
    seed : int

    Returns
    -------
    tuple of Split
        Empty where the folds do not allow it: fewer than three, test sides that overlap and are not one and the same,
        or a class that would be left without a training row.

    Notes
    -----
    Where each fold has a test side of its own, there is a split for each other fold. Validation rows are those of the
    other fold without the run's test rows, so they were chosen as its own were, whole groups at a time. Where none are
    left (a splitter that takes the next fold's test rows), the same share is cut from the training rows by whole
    groups, drawn by the seed alone.

    Where the data give the test side, all folds have it, and validation sides go round instead: there is a split for
    each fold, which predicts that fold's validation rows and validates on those of the next one.
    """
    if len(folds) < FEWEST_FOLDS:
        return ()
    run = folds[fold]
    inner = _of_own_test_sides(dataset, folds, fold, seed) or _of_one_test_side(folds, run)
    trained = _classes(dataset, run.train)
    return inner if all(_classes(dataset, split.train) == trained for split in inner) else ()


def _of_own_test_sides(dataset: Dataset, folds: Sequence[Split], fold: int, seed: int) -> tuple[Split, ...]:
    """Return a split for each other fold, none if test sides overlap or leave rows out."""
    run = folds[fold]
    others = [split for place, split in enumerate(folds) if place != fold]
    known = torch.cat([run.train, run.validation])
    if not all(len(split.test) for split in others) or not _are_apart([split.test for split in others], known):
        return ()

    def seen(rows: torch.Tensor) -> torch.Tensor:
        return rows[torch.isin(rows, known)]

    inner = [Split(seen(split.train), seen(split.validation), split.test) for split in others]
    share = len(run.validation) / len(known)
    return tuple(
        split if len(split.validation) or not share else _with_validation(dataset, split, share, seed, place)
        for place, split in enumerate(inner)
    )


def _of_one_test_side(folds: Sequence[Split], run: Split) -> tuple[Split, ...]:
    """Return a split for each fold where all have one test side and validation goes round over the other rows."""
    known, sides = torch.cat([run.train, run.validation]), [split.validation for split in folds]
    one = all(torch.equal(split.test, run.test) for split in folds)
    if not one or not _are_apart(sides, known) or len(torch.cat(sides)) < len(known):
        return ()
    inner = []
    for side, following in zip(sides, [*sides[1:], sides[0]], strict=True):
        inner.append(Split(known[~torch.isin(known, torch.cat([side, following]))].sort().values, following, side))
    return tuple(inner)


def _are_apart(sides: Sequence[torch.Tensor], known: torch.Tensor) -> bool:
    """Return whether sides have no row in common, and only rows of `known`."""
    rows = torch.cat(list(sides))
    return len(torch.unique(rows)) == len(rows) and bool(torch.isin(rows, known).all())


def _classes(dataset: Dataset, rows: torch.Tensor) -> list[int]:
    found: list[int] = torch.unique(dataset.labels[rows]).tolist()
    return found


def _with_validation(dataset: Dataset, split: Split, share: float, seed: int, place: int) -> Split:
    generator = Draw(seed, "inner validation", place).numpy()
    train, validation = (torch.from_numpy(rows) for rows in cut(dataset, split.train.numpy(), share, generator))
    return dataclasses.replace(split, train=train, validation=validation)


def absent_classes(dataset: Dataset, split: Split) -> tuple[str, ...]:
    """Return what must be said of sides of the split that lack a class; a side without any row was meant to be so."""
    said = []
    for side, where in (("validation", split.validation), ("test", split.test)):
        if not len(where):
            continue
        counts = torch.bincount(dataset.labels[where], minlength=dataset.num_classes)
        absent = [dataset.class_names[int(k)] for k in (counts == 0).nonzero()]
        if absent:
            names = ", ".join(f"'{name}'" for name in absent[:10])
            said.append(
                f"the split left no {side} row of class {names}: metrics of such a class cannot be computed. A "
                "stratified split puts every class on every side."
            )
    return tuple(said)
