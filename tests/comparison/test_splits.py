"""The splits of a comparison."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from imbtk.comparison.splits import make_split, make_splits, split_note, with_split
from imbtk.data.dataset import Dataset
from imbtk.data.leaks import check_split
from imbtk.errors import DataError


def dataset(labels: np.ndarray, groups: np.ndarray | None) -> Dataset:
    return Dataset(
        "study",
        "table",
        torch.zeros(len(labels), 2),
        torch.from_numpy(labels),
        tuple(f"c{k}" for k in range(int(labels.max()) + 1)),
        None if groups is None else torch.from_numpy(groups),
    )


def patients(seed: int, per_class: tuple[int, ...] = (20, 9)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(per_class)), per_class)
    groups = np.repeat(np.arange(len(label)), rng.integers(1, 12, size=len(label)))
    return label[groups], groups


def test_test_folds_are_disjoint_and_all_rows_and_no_patient_is_on_two_sides() -> None:
    data = dataset(*patients(2))
    for folds in make_splits(data, 4, 3, seed=0):
        test = torch.cat([split.test for split in folds])
        assert torch.equal(test.sort().values, torch.arange(len(data)))
        for split in folds:
            check_split(data, split)
            assert torch.equal(
                torch.cat([split.train, split.validation, split.test]).sort().values, torch.arange(len(data))
            )
            for side in (split.train, split.validation, split.test):
                assert set(data.labels[side].tolist()) == {0, 1}


def test_repeats_differ_and_the_seed_decides() -> None:
    data = dataset(*patients(3))
    first, second = make_splits(data, 3, 2, seed=0)
    assert not torch.equal(first[0].test, second[0].test)
    again = make_split(data, 3, repeat=1, fold=0, seed=0)
    assert torch.equal(again.test, second[0].test)
    assert torch.equal(again.validation, second[0].validation)
    assert not torch.equal(make_split(data, 3, repeat=1, fold=0, seed=1).test, again.test)


def test_a_split_of_its_own_is_what_a_plan_without_a_split_strategy_keeps() -> None:
    data = dataset(*patients(4))
    split = make_split(data, 3, 0, 0, 0)
    given = with_split(data, split).given_split
    assert given is not None
    for side, rows in enumerate((split.train, split.validation, split.test)):
        assert torch.equal(torch.nonzero(given == side)[:, 0], rows.sort().values)


def test_a_given_test_side_is_in_no_fold() -> None:
    labels, groups = patients(7)
    data = dataset(labels, groups)
    side = torch.where(data.groups % 4 == 0, 2, (data.groups % 4 == 1).long())
    data = dataclasses.replace(data, given_split=side)
    others = torch.nonzero(side != 2)[:, 0]
    for folds in make_splits(data, 3, 2, seed=0):
        assert torch.equal(torch.cat([split.test for split in folds]).sort().values, others)
        for split in folds:
            check_split(data, split)
            rows = torch.cat([split.train, split.validation, split.test])
            assert torch.equal(rows.sort().values, others)
            given = with_split(data, split).given_split
            assert given is not None
            assert set(given[side == 2].tolist()) == {-1}
    assert f"its {len(data) - len(others)} rows are in no fold" in split_note(data)
    no_test = dataclasses.replace(data, given_split=side.clamp(max=1))
    assert torch.equal(make_split(no_test, 3, 0, 0, 0).test, make_split(dataset(labels, groups), 3, 0, 0, 0).test)
    assert "has no test side: all of its rows are dealt" in split_note(no_test)
    assert split_note(dataset(labels, groups)) == ""


def test_fewer_groups_than_folds_says_how_many_there_are_and_what_is_possible() -> None:
    data = dataset(*patients(5, (20, 4)))
    with pytest.raises(DataError) as caught:
        make_splits(data, 5, 1, 0)
    assert str(caught.value) == (
        "study: class 'c1' has 4 groups, but 5 folds need at least 5 of every class, so that each has one "
        "in every test fold and some are left to train on. 4 folds are possible: --folds 4; or merge the class with "
        "another, leave it out, or bring more of it."
    )


def test_fewer_rows_than_folds_without_groups() -> None:
    data = dataset(np.repeat([0, 1], [30, 2]), None)
    with pytest.raises(
        DataError, match=r"class 'c1' has 2 rows, but 3 folds need .* No number of folds is possible; or"
    ):
        make_splits(data, 3, 1, 0)


def test_as_few_groups_as_are_possible_can_be_split() -> None:
    for folds, least in ((3, 3), (2, 4), (5, 5)):
        labels, groups = patients(6, (20, least))
        assert len(make_splits(dataset(labels, groups), folds, 1, 0)[0]) == folds
