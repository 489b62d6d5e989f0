"""The split that a run has when no strategy makes one: a shuffled hold-out, groups kept whole."""

from __future__ import annotations

import numpy as np
import torch

from imbtk.authoring.context import Split
from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.errors import DataError

__all__ = ["TEST_SHARE", "VALIDATION_SHARE", "cut", "hold_out"]

TEST_SHARE = 0.20
VALIDATION_SHARE = 0.16


def hold_out(dataset: Dataset, seed: int) -> Split:
    """Split rows into 64 / 16 / 20 % train, validation and test by whole groups, classes left to chance.

    A split that the data give is kept; sides that it lacks are cut from its training rows.

    Parameters
    ----------
    dataset : Dataset
    seed : int

    Raises
    ------
    DataError
        If there are fewer than three groups (or rows) to put on three sides.
    """
    generator = Draw(seed, "hold-out split").numpy()
    rows = np.arange(len(dataset))
    if dataset.given_split is None:
        rest, test = cut(dataset, rows, TEST_SHARE, generator, leave=2)
        train, validation = cut(dataset, rest, VALIDATION_SHARE / (1 - TEST_SHARE), generator)
    else:
        given = dataset.given_split.numpy()
        train, validation, test = (rows[given == side] for side in range(3))
        if not len(train):
            raise DataError(f"the split that '{dataset.name}' gives has no training rows.")
        if not len(test):
            train, test = cut(dataset, train, TEST_SHARE, generator, leave=1 if len(validation) else 2)
        if not len(validation):
            train, validation = cut(dataset, train, VALIDATION_SHARE / (1 - TEST_SHARE), generator)
    return Split(*(torch.from_numpy(np.sort(side)) for side in (train, validation, test)))


def cut(
    dataset: Dataset, rows: np.ndarray, share: float, generator: np.random.Generator, leave: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows that stay, rows cut off): whole groups in random order, the share met as nearly as can be.

    At least `leave` groups stay: whoever cuts again needs two.
    """
    groups = rows if dataset.groups is None else dataset.groups.numpy()[rows]
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) <= leave:
        what = "row" if dataset.groups is None else "group"
        raise DataError(
            f"'{dataset.name}' has too few {what}s for train, validation and test: give more data, or a split of "
            "your own (a split column, or train/ val/ test/ folders)."
        )
    order = generator.permutation(len(names))
    reached = np.cumsum(sizes[order])
    count = int(np.abs(reached - share * len(rows)).argmin()) + 1
    chosen = names[order[: min(count, len(names) - leave)]]
    cut = np.isin(groups, chosen)
    return rows[~cut], rows[cut]
