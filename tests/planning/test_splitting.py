"""The split stage: folds, and splits inside of a fold that know nothing of its test rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from imbtk import RunContext, Split, Strategy, hookimpl
from imbtk.authoring.context import Split as SplitRecord
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.data.leaks import check_split
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import OptionError, PluginError
from imbtk.planning.plan import Plan
from imbtk.planning.splitting import absent_classes, induced, inner_splits, make_folds

ROWS = 60


def dataset(groups: int | None = 20) -> Dataset:
    x = np.random.default_rng(0).normal(size=(ROWS, 2))
    y = np.arange(ROWS) % 3 % 2
    return load((x, y) if groups is None else (x, y, np.arange(ROWS) % groups))


def rotating(k: int, validation: bool = True) -> list[Split]:
    """Return k folds by group; the validation side is the next fold's test side."""
    fold = torch.arange(ROWS) % 20 % k
    sides = [torch.nonzero(fold == i)[:, 0] for i in range(k)]
    nothing = torch.empty(0, dtype=torch.int64)
    return [
        Split(
            torch.cat([sides[j] for j in range(k) if j != i and not (validation and j == (i + 1) % k)]),
            sides[(i + 1) % k] if validation else nothing,
            sides[i],
        )
        for i in range(k)
    ]


class Folds(Strategy):
    """Give folds that the test says."""

    @hookimpl
    def imbtk_split(self, dataset: Dataset, context: RunContext) -> Any:
        return type(self).answer  # type: ignore[attr-defined]


def folds_of(answer: Any, fold: int = 0) -> tuple[SplitRecord, ...]:
    data = dataset()
    Folds.answer = answer  # type: ignore[attr-defined]
    context = RunContext(data.class_names, data.class_counts, data.class_counts, data.labels)
    return make_folds(Plan.build([Folds()], Catalogue()).items, data, context, 0, fold)


def test_every_other_fold_is_predicted_once_and_the_runs_test_rows_never_seen() -> None:
    data = dataset()
    for fold in range(4):
        folds = rotating(4)
        inner = inner_splits(data, folds, fold, seed=0)
        hidden = set(folds[fold].test.tolist())
        assert [set(cut.test.tolist()) for cut in inner] == [
            set(f.test.tolist()) for i, f in enumerate(folds) if i != fold
        ]
        for cut in inner:
            check_split(data, cut)
            sides = [set(side.tolist()) for side in (cut.train, cut.validation, cut.test)]
            assert sides[1]
            assert set.union(*sides) == set(range(ROWS)) - hidden


def test_validation_rows_are_the_other_folds_without_the_runs_test_rows() -> None:
    folds = rotating(4)
    first, second, third = inner_splits(dataset(), folds, 0, seed=0)
    assert torch.equal(first.validation, folds[1].validation)
    assert torch.equal(second.validation, folds[2].validation)
    # Fold 3 validates on the run's test rows: nothing is left of that, and as large a share is cut from its other rows.
    assert not set(third.validation.tolist()) & set(folds[0].test.tolist())
    assert len(third.validation) == pytest.approx((ROWS // 2) / 3, abs=3)
    again = inner_splits(dataset(), folds, 0, seed=0)[2]
    assert torch.equal(again.validation, third.validation)


def one_test_side() -> list[Split]:
    """Return three folds with one test side: each is the validation side once."""
    *sides, test = (split.test for split in rotating(4))
    return [Split(torch.cat([s for j, s in enumerate(sides) if j != i]), sides[i], test) for i in range(3)]


@pytest.mark.parametrize("fold", range(3))
def test_of_one_test_side_each_fold_is_predicted_once_and_validates_once(fold: int) -> None:
    folds, data = one_test_side(), dataset()
    inner = inner_splits(data, folds, fold, seed=0)
    assert [cut.test.tolist() for cut in inner] == [split.validation.tolist() for split in folds]
    assert [cut.validation.tolist() for cut in inner] == [folds[i].validation.tolist() for i in (1, 2, 0)]
    for cut in inner:
        check_split(data, cut)
        known = torch.cat([cut.train, cut.validation, cut.test]).sort().values
        assert torch.equal(known, torch.cat([folds[0].train, folds[0].validation]).sort().values)


def test_where_folds_do_not_allow_it_there_are_none() -> None:
    data, folds = dataset(), rotating(4)
    assert inner_splits(data, rotating(2, validation=False), 0, 0) == ()
    assert inner_splits(data, folds[:1], 0, 0) == ()
    # One test side for all, and validation sides that leave rows out, or that overlap.
    some = [Split(f.train[~torch.isin(f.train, folds[3].test)], f.validation, folds[3].test) for f in folds[:3]]
    assert inner_splits(data, some, 0, 0) == ()
    assert inner_splits(data, one_test_side()[:1] * 3, 0, 0) == ()
    empty = torch.empty(0, dtype=torch.int64)
    assert inner_splits(data, [*folds[:3], Split(folds[3].train, folds[3].validation, empty)], 0, 0) == ()
    # A fold whose test rows the run does not have at all.
    partial = Split(folds[0].train[:5], folds[0].validation, folds[0].test)
    assert inner_splits(data, [partial, *folds[1:]], 0, 0) == ()
    # Class 1 has two training rows in fold 1, one of which is a test row of fold 0.
    rare = dataclasses.replace(data, labels=torch.zeros(ROWS, dtype=torch.int64))
    rare.labels[[0, 1, 2]] = 1
    assert inner_splits(rare, rotating(3, validation=False), 0, 0) != ()
    rare.labels[2] = 0
    assert inner_splits(rare, rotating(3, validation=False), 0, 0) == ()
    assert len(inner_splits(data, rotating(3, validation=False), 0, 0)) == 2
    assert not len(inner_splits(data, rotating(3, validation=False), 0, 0)[0].validation)


def test_folds_are_asked_of_the_strategy_and_checked() -> None:
    assert len(folds_of(rotating(4))) == 4
    with pytest.raises(OptionError, match="there is no fold 4: the split has 4, counted from 0"):
        folds_of(rotating(4), fold=4)
    with pytest.raises(PluginError, match="instead of a sequence of Split"):
        folds_of("folds")


def test_a_hold_out_is_one_fold() -> None:
    data = dataset(None)
    context = RunContext(data.class_names, data.class_counts, data.class_counts, data.labels)
    (split,) = make_folds((), data, context, 0, 0)
    assert len(split.train) + len(split.validation) + len(split.test) == ROWS
    assert induced(data, split)[0] is split


def test_absent_classes_are_named() -> None:
    data = dataset(None)
    common, rare = (torch.nonzero(data.labels == k)[:, 0] for k in range(2))
    (said,) = absent_classes(data, Split(rare, torch.empty(0, dtype=torch.int64), common))
    assert "the split left no test row of class '1'" in said
