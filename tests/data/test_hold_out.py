"""The split that a run has when no strategy makes one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from imbtk.data.dataset import Dataset
from imbtk.data.hold_out import cut, hold_out
from imbtk.errors import DataError


def dataset(rows: int = 200, groups: torch.Tensor | None = None, given: torch.Tensor | None = None) -> Dataset:
    labels = torch.arange(rows) % 3 // 2
    return Dataset("made up", "table", torch.zeros(rows, 2), labels, ("a", "b"), groups=groups, given_split=given)


def sides(data: Dataset, seed: int = 0) -> list[list[int]]:
    split = hold_out(data, seed)
    return [side.tolist() for side in (split.train, split.validation, split.test)]


def test_shares_are_64_16_20_and_each_row_is_on_one_side() -> None:
    found = sides(dataset())
    assert [len(side) for side in found] == [128, 32, 40]
    assert sorted(row for side in found for row in side) == list(range(200))
    assert all(side == sorted(side) for side in found)


def test_the_seed_alone_chooses() -> None:
    assert sides(dataset()) == sides(dataset())
    assert sides(dataset(), 1) != sides(dataset())


def test_groups_stay_whole_and_shares_are_met_as_nearly_as_they_can_be() -> None:
    groups = torch.from_numpy(np.repeat(np.arange(50), np.arange(50) % 7 + 1))
    data = dataset(len(groups), groups)
    for seed in range(20):
        of_sides = [{int(groups[row]) for row in side} for side in sides(data, seed)]
        assert len(set().union(*of_sides)) == sum(map(len, of_sides)) == 50
        test = sides(data, seed)[2]
        # No further off than half of the largest group.
        assert abs(len(test) - 0.2 * len(groups)) <= 3.5


def test_one_large_group_is_on_one_side_and_the_others_have_rows() -> None:
    groups = torch.tensor([0] * 90 + [1] * 5 + [2] * 5)
    for seed in range(10):
        assert all(len(side) in (5, 90) for side in sides(dataset(100, groups), seed))


def test_what_the_data_give_is_kept_and_what_they_lack_is_cut_from_training_rows() -> None:
    given = torch.tensor([0] * 80 + [2] * 15 + [-1] * 5)
    train, validation, test = sides(dataset(100, given=given))
    assert test == list(range(80, 95))
    assert sorted(train + validation) == list(range(80))
    assert len(validation) == 16  # a fifth of what is left, as without a given side
    both = torch.tensor([0] * 60 + [1] * 20 + [2] * 20)
    assert [len(side) for side in sides(dataset(100, given=both))] == [60, 20, 20]
    lacking = torch.tensor([0] * 80 + [1] * 20)
    assert [len(side) for side in sides(dataset(100, given=lacking))] == [64, 20, 16]


def test_too_few_to_put_on_three_sides_is_refused() -> None:
    with pytest.raises(DataError, match=r"'made up' has too few rows for train, validation and test"):
        hold_out(dataset(2), 0)
    with pytest.raises(DataError, match=r"has too few groups for"):
        hold_out(dataset(20, torch.arange(20) % 2), 0)
    with pytest.raises(DataError, match=r"the split that 'made up' gives has no training rows"):
        hold_out(dataset(4, given=torch.tensor([1, 1, 2, 2])), 0)
    assert [len(side) for side in sides(dataset(3))] == [1, 1, 1]


def test_a_cut_takes_whole_groups_of_the_rows_given() -> None:
    data = dataclasses.replace(dataset(12), groups=torch.arange(12) // 3)
    rest, off = cut(data, np.arange(3, 12), 1 / 3, np.random.default_rng(0))
    assert len(off) == 3
    assert len({row // 3 for row in off.tolist()}) == 1
    assert sorted([*rest, *off]) == list(range(3, 12))
