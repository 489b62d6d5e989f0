"""What is audited: the data, the split if there is one, and how thoroughly."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from imbtk.authoring.context import Split
from imbtk.data.dataset import Dataset
from imbtk.data.faults import Faults
from imbtk.data.store import Progress
from imbtk.wording import several

__all__ = ["AuditedData", "given_split"]


def given_split(dataset: Dataset) -> Split | None:
    """Return the split that the data give, None if they give none."""
    if dataset.given_split is None:
        return None
    train, validation, test = (torch.nonzero(dataset.given_split == side)[:, 0] for side in range(3))
    return Split(train, validation, test)


@dataclass(frozen=True)
class AuditedData:
    """Data under audit.

    Attributes
    ----------
    dataset : Dataset
    split : Split, optional
        Given by the data, or the one of a run.
    faults : Faults
        What was left out when the data were read.
    thorough : bool
        Read every file's header, and let the colour model see more rows.
    progress : callable, optional
    """

    dataset: Dataset
    split: Split | None = None
    faults: Faults = field(default_factory=Faults)
    thorough: bool = True
    progress: Progress | None = None

    @property
    def noun(self) -> str:
        """What a row is called."""
        return "image" if self.dataset.kind == "images" else "row"

    @property
    def group_noun(self) -> str:
        """What a group is called."""
        return self.dataset.group_name

    @property
    def group_nouns(self) -> str:
        """What groups are called."""
        return several(self.dataset.group_name)

    @cached_property
    def labels(self) -> np.ndarray:
        """Class of each row, (N,) int64."""
        labels: np.ndarray = self.dataset.labels.numpy()
        return labels

    @cached_property
    def groups(self) -> np.ndarray | None:
        """Patient of each row, (N,) int64; None where patients are not known, whatever images are identical."""
        if self.dataset.groups is None or not self.dataset.description.get("groups_known", True):
            return None
        groups: np.ndarray = self.dataset.groups.numpy()
        return groups

    @cached_property
    def sides(self) -> np.ndarray | None:
        """Side of each row, (N,) int64: 0, 1, 2 for train, validation, test, -1 for none."""
        if self.split is None:
            return None
        sides = np.full(len(self.dataset), -1, dtype=np.int64)
        for number, rows in enumerate((self.split.train, self.split.validation, self.split.test)):
            sides[rows.numpy()] = number
        return sides

    def row_name(self, row: int) -> str:
        """Return what a row is called."""
        return self.dataset.row_names[row] if self.dataset.row_names else str(row)

    def class_name(self, row: int) -> str:
        """Return the class of a row."""
        return self.dataset.class_names[int(self.labels[row])]

    def group_name(self, group: int) -> str:
        """Return what a group is called."""
        return self.dataset.group_names[group] if self.dataset.group_names else str(group)
