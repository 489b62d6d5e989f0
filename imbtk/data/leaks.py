"""The leak check: no row and no group on two sides of a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from imbtk.data.dataset import SPLIT_NAMES, Dataset
from imbtk.errors import DataError
from imbtk.wording import listing, several

if TYPE_CHECKING:
    from imbtk.authoring.context import Split

__all__ = ["Straddler", "check_split", "straddlers"]


@dataclass(frozen=True)
class Straddler:
    """A group with rows on more than one side.

    Attributes
    ----------
    group : int
    name : str
    rows : tuple of int
        Rows on the train, validation and test side.
    """

    group: int
    name: str
    rows: tuple[int, ...]

    def __str__(self) -> str:
        sides = [f"{n} in {side}" for side, n in zip(SPLIT_NAMES, self.rows, strict=True) if n]
        return f"{self.name!r} ({', '.join(sides)})"


def straddlers(dataset: Dataset, split: Split) -> list[Straddler]:
    """Return the groups that have rows on more than one side, none where groups are not known."""
    if dataset.groups is None:
        return []
    total = int(dataset.groups.max()) + 1 if len(dataset) else 0
    sides = (split.train, split.validation, split.test)
    counts = torch.stack([torch.bincount(dataset.groups[side], minlength=total) for side in sides], dim=1)
    torn = torch.nonzero((counts > 0).sum(dim=1) > 1)[:, 0].tolist()
    names = dataset.group_names
    return [Straddler(g, names[g] if g < len(names) else str(g), tuple(counts[g].tolist())) for g in torn]


def check_split(dataset: Dataset, split: Split) -> None:
    """Refuse a split that cannot be trained on, or whose metrics would be a lie.

    Parameters
    ----------
    dataset : Dataset
    split : Split

    Raises
    ------
    DataError
        If a row is out of range or stands twice, a group straddles, no row is left for training, or a class has no
        training row.
    """
    _check_rows(dataset, split)
    _check_groups(dataset, split)
    if not len(split.train):
        raise DataError(f"{dataset.name}: the split leaves no row for training. Make the training part larger.")
    present = torch.bincount(dataset.labels[split.train], minlength=dataset.num_classes)
    absent = [name for name, n in zip(dataset.class_names, present.tolist(), strict=True) if not n]
    if absent:
        remedy = (
            "Put rows of it on the training side of the split that the data give, or let imbtk split"
            if dataset.given_split is not None
            else "Take another seed, make the training part larger, or use a strategy that splits class by class"
        )
        raise DataError(
            f"{dataset.name}: class {listing([repr(name) for name in absent])} has no row on the training side of the "
            f"split, so that it cannot be learnt. {remedy}."
        )


def _check_rows(dataset: Dataset, split: Split) -> None:
    sides = (split.train, split.validation, split.test)
    for name, side in zip(SPLIT_NAMES, sides, strict=True):
        if side.dtype != torch.int64 or side.ndim != 1:
            raise DataError(
                f"the {name} side of the split is {side.dtype} of shape {tuple(side.shape)}, not int64 (n,)."
            )
        outside = side[(side < 0) | (side >= len(dataset))]
        if len(outside):
            raise DataError(
                f"the {name} side of the split has rows that do not exist in {dataset.name}, which has {len(dataset)}: "
                f"{listing(outside.tolist(), 5)}."
            )
    rows = torch.cat(sides)
    twice = torch.nonzero(torch.bincount(rows, minlength=len(dataset)) > 1)[:, 0].tolist()
    if twice:
        row = twice[0]
        where = [name for name, side in zip(SPLIT_NAMES, sides, strict=True) for n in side.tolist() if n == row]
        named = dataset.row_names[row] if dataset.row_names else str(row)
        raise DataError(
            f"{len(twice)} {'row stands' if len(twice) == 1 else 'rows stand'} twice in the split, first row {row} "
            f"({named}) in {' and '.join(where)}. Every row belongs to one side."
        )


def _check_groups(dataset: Dataset, split: Split) -> None:
    torn = straddlers(dataset, split)
    if not torn:
        return
    known = dataset.description.get("groups_known", True)
    one, many = (dataset.group_name, several(dataset.group_name)) if known else ("set", "sets")
    kind = f"{len(torn)} {one if len(torn) == 1 else many}{'' if known else ' of identical images'}"
    if dataset.given_split is not None:
        blame = "the split given by the data puts"
        remedy = (
            "Correct the split; or have what stands on a later side too left out of training and validation: "
            "--drop-leaks; or let imbtk split whole groups: --ignore-split"
        )
    else:
        blame = "the split puts"
        remedy = "Whoever splits must keep groups whole"
    raise DataError(
        f"{dataset.name}: {blame} {kind} on more than one side: {listing(torn, 10)}. What the model has "
        f"seen in training it would be tested on, and the metrics would be too good. {remedy}."
    )
