"""Which rows of a fold an estimator trains on, and which it keeps for validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from imbtk.authoring.context import Split
from imbtk.authoring.draw import Draw
from imbtk.data.array_samples import plain_array
from imbtk.data.dataset import Dataset
from imbtk.data.group_folds import GroupPool
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
    values = plain_array(groups)
    if values.shape != (n,):
        raise DataError(f"groups have the shape {values.shape} and there are {n} rows. Give one group for each row.")
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
    Each class gives its share within a row, but at least one row (or group) where it has two, and never all. Where
    groups that hold several classes do not allow it, most classes are kept on the training side, then on the other.
    """
    nothing = torch.empty(0, dtype=torch.int64)
    if fraction is None:
        return Split(torch.from_numpy(rows), nothing, nothing)
    if not 0 < fraction < 1:
        raise OptionError(f"'validation_fraction' (given: {fraction!r}) is a share between 0 and 1.")
    generator = Draw(seed, "validation rows").numpy()
    part, _ = GroupPool(dataset, rows).deal((1 - fraction, fraction), (1, 1), generator)
    return Split(torch.from_numpy(rows[part == 0]), torch.from_numpy(np.sort(rows[part == 1])), nothing)
