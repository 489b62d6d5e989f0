"""The splits of a comparison: repeated, grouped, stratified k-fold, the same for every plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from imbtk.authoring.context import Split
from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.data.group_folds import GroupPool
from imbtk.errors import DataError
from imbtk.wording import several

__all__ = ["VALIDATION_PARTS", "compared_rows", "make_split", "make_splits", "split_note", "with_split"]

VALIDATION_PARTS = 5
"""Of the rows outside the test fold, one part in so many is for validation."""


def compared_rows(dataset: Dataset) -> np.ndarray:
    """Return the rows that plans are compared on, (n,) int64: all but the test side that the data give.

    Those are for the model that is chosen by the comparison, once: a choice made on them would not be independent.
    """
    if dataset.given_split is None:
        return np.arange(len(dataset))
    return np.flatnonzero(dataset.given_split.numpy() != 2)


def split_note(dataset: Dataset) -> str:
    """Return what is to be said of a split that the data give, empty if they give none."""
    if dataset.given_split is None:
        return ""
    left = len(dataset) - len(compared_rows(dataset))
    if not left:
        return "The split that the data give has no test side: all of its rows are dealt into the folds."
    return (
        f"The data give a test side: its {left} rows are in no fold, and stay unseen until imbtk run tests the plan "
        "that you choose. Training and validation rows are dealt into the folds. --ignore-split deals all rows."
    )


def make_splits(dataset: Dataset, folds: int, repeats: int, seed: int) -> list[list[Split]]:
    """Return the splits by repeat and fold: test folds that are disjoint and together all rows to compare on.

    Parameters
    ----------
    dataset : Dataset
    folds, repeats : int
    seed : int

    Raises
    ------
    DataError
        If a class has fewer groups (or rows) than folds, or too few to have some left for validation.
    """
    _check_enough(dataset, folds)
    return [
        [
            _with_validation(dataset, *sides, repeat, fold, seed)
            for fold, sides in enumerate(_dealt(dataset, folds, repeat, seed))
        ]
        for repeat in range(repeats)
    ]


def make_split(dataset: Dataset, folds: int, repeat: int, fold: int, seed: int) -> Split:
    """Return one split of :func:`make_splits`, made from labels, groups and seed alone.

    The validation rows are cut from the rows outside the test fold: a fifth, or of each class a fourth, a third or half
    where one has as few groups left.
    """
    return _with_validation(dataset, *_dealt(dataset, folds, repeat, seed)[fold], repeat, fold, seed)


def _dealt(dataset: Dataset, folds: int, repeat: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (the other rows, the test rows) of each fold."""
    rng = Draw(seed, f"comparison, repeat {repeat}").numpy()
    return GroupPool(dataset, compared_rows(dataset)).folds(folds, 2, rng)


def _with_validation(dataset: Dataset, rest: np.ndarray, test: np.ndarray, repeat: int, fold: int, seed: int) -> Split:
    rng = Draw(seed, f"comparison, repeat {repeat}, validation of fold {fold}").numpy()
    pool = GroupPool(dataset, rest)
    train, validation = pool.cut(1 / min(VALIDATION_PARTS, pool.class_groups.min()), 1, rng)
    return Split(*(torch.from_numpy(side) for side in (train, validation, test)))


def with_split(dataset: Dataset, split: Split) -> Dataset:
    """Return the data set with a split of its own, which a plan without a split strategy keeps.

    What was left out of the data is listed once, in the folder of the comparison, and not in that of every cell.
    """
    side = torch.full((len(dataset),), -1, dtype=torch.int64)
    side[split.train], side[split.validation], side[split.test] = 0, 1, 2
    return dataclasses.replace(dataset, given_split=side, left_out=())


def _check_enough(dataset: Dataset, folds: int) -> None:
    pool = GroupPool(dataset, compared_rows(dataset))
    counts = dict(zip(pool.class_names, pool.class_groups.tolist(), strict=True))
    # Two folds leave half of the groups, of which one is for validation.
    needed = max(folds, 4 if folds == 2 else 3)
    few = [(name, counts.get(name, 0)) for name in dataset.class_names if counts.get(name, 0) < needed]
    if not few:
        return
    known = dataset.groups is not None and dataset.description.get("groups_known", True)
    word = dataset.group_name if known else "row"
    least = min(count for _, count in few)
    possible = f"{least} folds are possible: --folds {least}" if least >= 3 else "No number of folds is possible"
    raise DataError(
        f"{dataset.name}: {_listed(few, word)}, but {folds} folds need at least {needed} of every class, so that each "
        f"has one in every test fold and some are left to train on. {possible}; or merge the class with another, leave "
        "it out, or bring more of it."
    )


def _listed(few: Sequence[tuple[str, int]], word: str) -> str:
    return ", ".join(f"class '{name}' has {count} {word if count == 1 else several(word)}" for name, count in few)
