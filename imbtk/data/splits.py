"""Which side of a split the data themselves put a row on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from imbtk.data.labels import is_missing, text_of
from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = ["side_of", "sides_of"]

_SIDES = {
    "train": 0,
    "training": 0,
    "val": 1,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
}


def side_of(name: str) -> int | None:
    """Return 0, 1, 2 for what people call the sides of a split, None for anything else.

    Examples
    --------
    >>> [side_of(name) for name in ("Train", "valid", "benign")]
    [0, 1, None]
    """
    return _SIDES.get(name.strip().casefold())


def sides_of(values: Sequence[object], where: str, row_names: Sequence[str]) -> torch.Tensor:
    """Return the given split (N,) int64.

    A split without validation rows is left as it is: the split stage cuts them from the training rows.

    Raises
    ------
    DataError
        If a value is none of train, validation (val, valid), test.
    """
    sides = [None if is_missing(value) else side_of(text_of(value)) for value in values]
    strange = [i for i, side in enumerate(sides) if side is None]
    if strange:
        found = sorted({repr(text_of(values[i])) for i in strange})
        raise DataError(
            f"{where}: {len(strange)} of {len(sides)} rows are on no side of a split: {listing(found, 8)}, first in "
            f"{row_names[strange[0]]}. Write train, validation (val, valid) or test."
        )
    return torch.tensor([side for side in sides if side is not None], dtype=torch.int64)
