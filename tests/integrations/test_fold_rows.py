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


def test_every_class_with_two_groups_is_on_both_sides() -> None:
    """40 patients of ten rows, two of them rare: by chance alone 1 seed in 40 leaves no rare row to train on."""
    patients = torch.arange(400) // 10
    data = Dataset("X", "table", torch.zeros(400, 1), (patients < 2).long(), ("common", "rare"), groups=patients)
    for seed in range(120):
        split = split_rows(data, np.arange(400), 0.2, seed)
        for rows in (split.train, split.validation):
            assert len(torch.unique(data.labels[rows])) == 2
        assert len(torch.unique(patients[split.train])) + len(torch.unique(patients[split.validation])) == 40
        assert 60 <= len(split.validation) <= 100


def test_groups_of_several_classes_are_stratified_as_far_as_they_can_be() -> None:
    generator = np.random.default_rng(0)
    patients = torch.from_numpy(generator.integers(30, size=600))
    labels = torch.from_numpy(np.where(generator.random(600) < 0.05, 1, 0) * (patients.numpy() < 6))
    labels[patients == 29] = 2
    data = Dataset("X", "table", torch.zeros(600, 1), labels, ("a", "b", "lone"), groups=patients)
    for seed in range(20):
        split = split_rows(data, np.arange(600), 0.25, seed)
        assert torch.unique(labels[split.train]).tolist() == [0, 1, 2]
        assert torch.unique(labels[split.validation]).tolist() == [0, 1]
        assert not set(patients[split.train].tolist()) & set(patients[split.validation].tolist())


def test_two_rows_of_a_class_stand_on_two_sides() -> None:
    data = Dataset("X", "table", torch.zeros(42, 1), torch.tensor([0] * 40 + [1] * 2), ("a", "b"))
    split = split_rows(data, np.arange(42), 0.2, seed=0)
    assert [int((data.labels[rows] == 1).sum()) for rows in (split.train, split.validation)] == [1, 1]


def test_mistakes() -> None:
    with pytest.raises(OptionError, match=r"'validation_fraction' \(given: 1\.0\)"):
        split_rows(dataset(), np.arange(41), 1.0, 0)
    with pytest.raises(DataError, match=r"groups have the shape \(2,\) and there are 3 rows"):
        group_numbers([1, 2], 3)
    numbers = group_numbers(["b", "a", "b"], 3)
    assert numbers is not None
    assert numbers.tolist() == [1, 0, 1]
    assert group_numbers(None, 3) is None
