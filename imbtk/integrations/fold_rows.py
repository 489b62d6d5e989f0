"""Which rows of a fold an estimator trains on, and which it keeps for validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from imbtk.context import Split
from imbtk.data.dataset import Dataset
from imbtk.data.hold_out import cut
from imbtk.draw import Draw
from imbtk.errors import DataError, OptionError

__all__ = ["group_numbers", "split_rows"]


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
    """Return `rows` (n,) split in training and validation rows; no test rows.

    Parameters
    ----------
    dataset : Dataset
        With groups these are kept whole and classes left to chance; without, each class gives its share.
    rows : ndarray of int64, shape (n,)
    fraction : float, optional
        Share of validation rows; None for none.
    seed : int

    Raises
    ------
    OptionError
        If `fraction` is not between 0 and 1.
    """
    nothing = torch.empty(0, dtype=torch.int64)
    if fraction is None:
        return Split(torch.from_numpy(rows), nothing, nothing)
    if not 0 < fraction < 1:
        raise OptionError(f"'validation_fraction' (given: {fraction!r}) is a share between 0 and 1.")
    generator = Draw(seed, "validation rows").numpy()
    if dataset.groups is not None:
        train, validation = cut(dataset, rows, fraction, generator)
    else:
        chosen = _stratified(dataset.labels.numpy()[rows], fraction, generator)
        train, validation = np.delete(rows, chosen), np.sort(rows[chosen])
    return Split(torch.from_numpy(train), torch.from_numpy(validation), nothing)


def _stratified(labels: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Return places of validation rows, the share of each class rounded, at least one row left to train on."""
    chosen = []
    for k in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == k))
        chosen.append(places[: min(round(fraction * len(places)), len(places) - 1)])
    return np.concatenate(chosen)
