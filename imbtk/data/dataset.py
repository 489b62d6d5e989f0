"""A data set in memory or memory-mapped: what every source gives and every later stage reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch

__all__ = ["SPLIT_NAMES", "Dataset", "InducedImbalance", "LeftOutRow"]

SPLIT_NAMES = ("train", "validation", "test")
"""Names of the sides of a split; ``given_split`` holds positions in this tuple."""


@dataclass(frozen=True)
class InducedImbalance:
    """An imbalance that is imposed on training rows, after the split.

    Attributes
    ----------
    factor : float
        n_max / n_min, at least 1.
    profile : "long-tail" or "step"
        ``n_c = n_max · factor^(-c/(K-1))``, or the first half of the classes full and the others 1/factor of it.
    seed : int
        Chooses the rows that stay.
    """

    factor: float
    profile: Literal["long-tail", "step"] = "long-tail"
    seed: int = 0


@dataclass(frozen=True)
class LeftOutRow:
    """A row that is in the data and not in the data set, because the user had it left out.

    Attributes
    ----------
    name : str
        What it is called: the file's path within the data, ``train[17]``.
    label : str
        Its class, as the data have it.
    side : str
        Its side of the given split, empty if the data give none.
    reason : str
    """

    name: str
    label: str
    side: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Samples, labels, groups and names.

    Attributes
    ----------
    name : str
        What people call the data: a file or folder name, ``builtin:digits``.
    kind : "images" or "table"
    x : Tensor
        Images: uint8, (N, C, H, W), usually memory-mapped; C is 1 or 3. Tables: float32, (N, D); NaN is a missing
        value, which the normalisation replaces by the mean of the training rows.
    labels : Tensor of int64, shape (N,)
    class_names : tuple of str, length K
    groups : Tensor of int64, shape (N,), optional
        Group (patient) of each row, from 0; None where groups are not known.
    group_names : tuple of str
        Name of each group.
    group_name : str
        What a group is called.
    group_label : str, optional
        What class a group is whose rows have several, as the user said: ``any:CLASS``, ``majority``, ``column:NAME``.
    group_truth : Tensor of int64, shape (N,), optional
        The class of each row's group by that rule.
    given_split : Tensor of int64, shape (N,), optional
        0, 1, 2 for train, validation, test, where the data come with a split; -1 for a row that is on no side.
    row_names : tuple of str
        What a row is called in reports: the file's path within the data, or the row's number.
    domain : "digits", "photo", "histology" or "table"
        What images show: presets look at it.
    feature_names : tuple of str
        Column names of a table, length D.
    induced : InducedImbalance, optional
        An imbalance to impose on the training rows once they are split off.
    preprocessing : dict
        What was done to make `x` (image size, resize policy, channels, table encoding), as plain values: a saved model
        repeats it on new data. ``{"kind": "images", "size": 64, "resize": "pad", "channels": 3}``.
    notes : tuple of str
        Sentences that every report must say: an induced imbalance, what was done to odd files.
    description : dict
        Facts for the record: path or arguments, digest of the content, number of files.
    left_out : tuple of LeftOutRow
        Rows of the data that the user had left out.
    """

    name: str
    kind: Literal["images", "table"]
    x: torch.Tensor
    labels: torch.Tensor
    class_names: tuple[str, ...]
    groups: torch.Tensor | None = None
    group_names: tuple[str, ...] = ()
    given_split: torch.Tensor | None = None
    row_names: tuple[str, ...] = ()
    domain: Literal["digits", "photo", "histology", "table"] = "photo"
    feature_names: tuple[str, ...] = ()
    induced: InducedImbalance | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    description: dict[str, Any] = field(default_factory=dict)
    group_name: str = "group"
    group_label: str | None = None
    group_truth: torch.Tensor | None = None
    left_out: tuple[LeftOutRow, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image, (D,) of a table row."""
        return tuple(self.x.shape[1:])

    @property
    def class_counts(self) -> torch.Tensor:
        """Rows per class, (K,) int64."""
        return torch.bincount(self.labels, minlength=self.num_classes)

    @property
    def categories(self) -> tuple[tuple[int, int], ...]:
        """Columns ``[start, stop)`` of `x` that hold one column of categories or of truths; none where not known."""
        found, start = [], 0
        for column in self.preprocessing.get("columns", ()):
            stop = start + (len(column["values"]) if column["type"] == "text" else 1)
            if column["type"] == "text" or column.get("boolean"):
                found.append((start, stop))
            start = stop
        return tuple(found)

    def known_groups(self, rows: torch.Tensor) -> torch.Tensor | None:
        """Return the group of each of `rows`, None where groups are not known: identical images alone tell nothing."""
        known = self.groups is not None and self.description.get("groups_known", True)
        return self.groups[rows] if known and self.groups is not None else None
