"""Training and validation rows of a fold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imbtk.data.dataset import Dataset
from imbtk.errors import DataError, OptionError
from imbtk.integrations.fold_rows import group_numbers, split_rows

LABELS = torch.tensor([0] * 30 + [1] * 10 + [2])


def dataset(groups: torch.Tensor | None = None) -> Dataset:
    return Dataset("X", "table", torch.zeros(41, 1), LABELS, ("a", "b", "c"), groups=groups)


def test_each_class_gives_its_share_and_keeps_a_row() -> None:
    rows = np.arange(41)
    split = split_rows(dataset(), rows, 0.2, seed=0)
    assert LABELS[split.validation].bincount(minlength=3).tolist() == [6, 2, 0]
    assert sorted([*split.train.tolist(), *split.validation.tolist()]) == rows.tolist()
    assert not torch.equal(split.validation, split_rows(dataset(), rows, 0.2, seed=1).validation)
    assert len(split_rows(dataset(), rows, None, seed=0).validation) == 0


def test_only_the_rows_given_and_whole_groups() -> None:
    groups = torch.arange(41) // 4
    rows = np.arange(0, 41, 2)
    split = split_rows(dataset(groups), rows, 0.3, seed=0)
    assert sorted([*split.train.tolist(), *split.validation.tolist()]) == rows.tolist()
    assert not set(groups[split.train].tolist()) & set(groups[split.validation].tolist())
    assert len(split.validation) > 0


def test_mistakes() -> None:
    with pytest.raises(OptionError, match=r"'validation_fraction' \(given: 1\.0\)"):
        split_rows(dataset(), np.arange(41), 1.0, 0)
    with pytest.raises(DataError, match=r"groups have the shape \(2,\) and y has 3 rows"):
        group_numbers([1, 2], 3)
    numbers = group_numbers(["b", "a", "b"], 3)
    assert numbers is not None
    assert numbers.tolist() == [1, 0, 1]
    assert group_numbers(None, 3) is None
