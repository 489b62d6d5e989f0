"""The splits of a comparison: repeated, grouped, stratified k-fold, the same for every plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from imbtk.authoring.context import Split
from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.errors import DataError
from imbtk.wording import several

__all__ = ["VALIDATION_PARTS", "compared_rows", "deal", "make_split", "make_splits", "split_note", "with_split"]

VALIDATION_PARTS = 5
"""Of the rows outside the test fold, one part in so many is for validation."""

_DEALS = 30
_WORK = 20_000
"""Groups times deals: 30 deals of up to 666 groups, one deal of very many."""


def deal(labels: np.ndarray, groups: np.ndarray, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Return the part, 0 to `parts` − 1, of each row: whole groups, every class in every part, shares alike.

    Parameters
    ----------
    labels, groups : ndarray of int64, shape (n,)
    parts : int
    rng : Generator

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    DataError
        If a class has fewer groups than there are parts, or no deal gives every part every class. (Rows that stand
        alone always go round.)

    Notes
    -----
    Groups go class by class, the rarest class that a group holds first, in random order, each to the part that has the
    fewest rows of that class among the parts with the fewest groups of it. Of 30 such deals the one whose worst
    class strays least from equal shares is taken. (scikit-learn's ``StratifiedGroupKFold`` deals groups in the order of
    their sizes, whatever the seed: repeats of it hardly differ.)
    """
    classes, label = np.unique(labels, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    size = int(group.max()) + 1
    if size == len(labels):
        return _deal_rows(label, parts, rng)
    table = np.zeros((size, len(classes)))
    np.add.at(table, (group, label), 1)
    if ((table > 0).sum(axis=0) < parts).any():
        raise DataError("a class has fewer groups than parts")
    best, chosen = np.inf, None
    for _ in range(int(np.clip(_WORK // size, 1, _DEALS))):
        part = _deal_once(table, parts, rng)
        rows = np.stack([table[part == p].sum(axis=0) for p in range(parts)])
        stray = float(np.abs(rows / rows.sum(axis=0) - 1 / parts).max())
        if rows.min() > 0 and stray < best:
            best, chosen = stray, part
    if chosen is None:
        raise DataError("no way was found to give every part every class")
    return np.asarray(chosen[group])


def _deal_rows(label: np.ndarray, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Return the part of each row where no two rows belong together: every class goes round, from a random start."""
    part = np.zeros(len(label), dtype=np.int64)
    start = 0
    for k in range(int(label.max()) + 1):
        rows = rng.permutation(np.flatnonzero(label == k))
        part[rows] = (start + np.arange(len(rows))) % parts
        start += len(rows)
    return part


def _deal_once(table: np.ndarray, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Return the part of each group, int64 (G,), for rows of each class in each group (G, K)."""
    has = table > 0
    rarity = np.where(has, has.sum(axis=0), len(table) + 1)
    stratum = rarity.argmin(axis=1)
    part = np.zeros(len(table), dtype=np.int64)
    rows, heads = np.zeros((parts, table.shape[1])), np.zeros((parts, table.shape[1]))
    for k in np.argsort(has.sum(axis=0), kind="stable"):
        for g in rng.permutation(np.flatnonzero(stratum == k)):
            order = np.lexsort((rng.random(parts), rows[:, k], heads[:, k]))
            part[g] = order[0]
            rows[part[g]] += table[g]
            heads[part[g]] += has[g]
    return part


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
    return [[make_split(dataset, folds, repeat, fold, seed) for fold in range(folds)] for repeat in range(repeats)]


def make_split(dataset: Dataset, folds: int, repeat: int, fold: int, seed: int) -> Split:
    """Return one split of :func:`make_splits`, made from labels, groups and seed alone.

    The validation rows are dealt from the rows outside the test fold in the same way, one part in five, or fewer parts
    where a class has fewer groups left.
    """
    rows = compared_rows(dataset)
    labels, groups = dataset.labels.numpy()[rows], _groups(dataset)[rows]
    part = deal(labels, groups, folds, Draw(seed, f"comparison, repeat {repeat}").numpy())
    rest = np.flatnonzero(part != fold)
    parts = min(VALIDATION_PARTS, _fewest_groups(labels[rest], groups[rest]))
    rng = Draw(seed, f"comparison, repeat {repeat}, validation of fold {fold}").numpy()
    inner = deal(labels[rest], groups[rest], parts, rng)
    sides = (rest[inner != 0], rest[inner == 0], np.flatnonzero(part == fold))
    return Split(*(torch.from_numpy(rows[side]) for side in sides))


def with_split(dataset: Dataset, split: Split) -> Dataset:
    """Return the data set with a split of its own, which a plan without a split strategy keeps.

    What was left out of the data is listed once, in the folder of the comparison, and not in that of every cell.
    """
    side = torch.full((len(dataset),), -1, dtype=torch.int64)
    side[split.train], side[split.validation], side[split.test] = 0, 1, 2
    return dataclasses.replace(dataset, given_split=side, left_out=())


def _groups(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset)) if dataset.groups is None else dataset.groups.numpy()


def _fewest_groups(labels: np.ndarray, groups: np.ndarray) -> int:
    pairs = np.unique(np.column_stack([labels, groups]), axis=0)
    return int(np.unique(pairs[:, 0], return_counts=True)[1].min())


def _check_enough(dataset: Dataset, folds: int) -> None:
    rows = compared_rows(dataset)
    pairs = np.unique(np.column_stack([dataset.labels.numpy()[rows], _groups(dataset)[rows]]), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=dataset.num_classes)
    # Two folds leave half of the groups, of which one is for validation.
    needed = max(folds, 4 if folds == 2 else 3)
    few = [(dataset.class_names[k], int(n)) for k, n in enumerate(counts) if n < needed]
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
