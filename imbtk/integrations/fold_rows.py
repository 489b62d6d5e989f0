"""Which rows of a fold an estimator trains on, and which it keeps for validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array

from imbtk.authoring.context import Split
from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.errors import DataError, OptionError

__all__ = ["group_numbers", "split_rows"]

_DRAWS = 200
_WORK = 2_000_000
"""Groups times draws that a cut by whole groups may cost, five draws at least."""


def group_numbers(groups: Any, n: int) -> torch.Tensor | None:
    """Return the group of each row as a number, (n,) int64; None without groups.

    Raises
    ------
    DataError
        If there is not one for each row.
    """
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.shape != (n,):
        raise DataError(f"groups have the shape {values.shape} and y has {n} rows. Give one group for each row.")
    values = values.astype(str) if values.dtype.kind == "O" else values
    return torch.from_numpy(np.unique(values, return_inverse=True)[1].astype(np.int64))


def split_rows(dataset: Dataset, rows: np.ndarray, fraction: float | None, seed: int) -> Split:
    """Return `rows` (n,) split in training and validation rows, class by class; no test rows.

    Parameters
    ----------
    dataset : Dataset
        Groups are kept whole.
    rows : ndarray of int64, shape (n,)
    fraction : float, optional
        Share of validation rows; None for none.
    seed : int

    Raises
    ------
    OptionError
        If `fraction` is not between 0 and 1.

    Notes
    -----
    Each class gives its share, rounded, but at least one row (or group) where it has two, and never all. With groups
    that hold several classes no draw may do all of this: of up to 200 the one is taken that keeps most classes on the
    training side, then on the validation side, then comes nearest to the shares.
    """
    nothing = torch.empty(0, dtype=torch.int64)
    if fraction is None:
        return Split(torch.from_numpy(rows), nothing, nothing)
    if not 0 < fraction < 1:
        raise OptionError(f"'validation_fraction' (given: {fraction!r}) is a share between 0 and 1.")
    generator = Draw(seed, "validation rows").numpy()
    labels = dataset.labels.numpy()[rows]
    if dataset.groups is not None:
        chosen = _whole_groups(labels, dataset.groups.numpy()[rows], fraction, generator)
    else:
        chosen = _stratified(labels, fraction, generator)
    train, validation = np.delete(rows, chosen), np.sort(rows[chosen])
    return Split(torch.from_numpy(train), torch.from_numpy(validation), nothing)


def _stratified(labels: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Return places of validation rows, the share of each class rounded, a row of it on each side if it has two."""
    chosen = []
    for k in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == k))
        chosen.append(places[: min(max(round(fraction * len(places)), 1), len(places) - 1)])
    return np.concatenate(chosen)


def _whole_groups(
    labels: np.ndarray, groups: np.ndarray, fraction: float, generator: np.random.Generator
) -> np.ndarray:
    """Return places of validation rows, whole groups, of which each stands with the rarest class that it holds."""
    names, group = np.unique(groups, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    rows = coo_array((np.ones(len(label)), (group, label)), shape=(len(names), len(classes))).tocsr()
    has = rows.astype(bool).astype(np.int64)
    of_class, rows_of_class = has.sum(axis=0), rows.sum(axis=0)
    pairs = has.tocoo()
    rarest_first = np.lexsort((of_class[pairs.col], pairs.row))
    stands_with = pairs.col[rarest_first][np.unique(pairs.row[rarest_first], return_index=True)[1]]
    size = np.bincount(group)
    best, found = (np.inf, np.inf, np.inf), np.zeros(len(names), dtype=bool)
    for _ in range(min(max(_WORK // len(names), 5), _DRAWS)):
        taken = np.zeros(len(names), dtype=bool)
        for k in range(len(classes)):
            mine = generator.permutation(np.flatnonzero(stands_with == k))
            reached = np.cumsum(size[mine])
            count = int(np.abs(reached - fraction * size[mine].sum()).argmin()) + 1 if len(mine) else 0
            taken[mine[: min(count, len(mine) - 1)]] = True
        here = has.T @ taken
        off = float(np.abs(rows.T @ taken / rows_of_class - fraction).max())
        error = (float((here == of_class).sum()), float(((here == 0) & (of_class > 1)).sum()), off)
        if error < best:
            best, found = error, taken
        if best[:2] == (0, 0) and best[2] <= fraction / 10:
            break
    return np.flatnonzero(found[group])
