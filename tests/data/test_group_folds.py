"""One deal of groups for folds, hold-outs and validation rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

import imbtk.data.group_folds as module
from imbtk.data.dataset import Dataset
from imbtk.data.group_folds import GroupPool


def pool(labels: np.ndarray, groups: np.ndarray | None = None) -> GroupPool:
    names = tuple(f"c{k}" for k in range(int(labels.max()) + 1))
    own = None if groups is None else torch.from_numpy(groups)
    data = Dataset("test", "table", torch.zeros(len(labels), 1), torch.from_numpy(labels), names, groups=own)
    return GroupPool(data, np.arange(len(labels)))


def structure(seed: int, number: int, width: int, purity: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and groups of lognormal sizes, some of one class, the last class about ten times rarer."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(number), np.ceil(rng.lognormal(2, 0.8, number)).astype(int))
    frequency = 0.1 ** np.linspace(0, 1, width)
    own, any_of = (rng.choice(width, n, p=frequency / frequency.sum()) for n in (number, len(groups)))
    return np.where((rng.random(number) < purity)[groups], own[groups], any_of), groups


def parts(labels: np.ndarray, groups: np.ndarray | None, k: int, seed: int = 0) -> np.ndarray:
    return pool(labels, groups).deal([1 / k] * k, [1] * k, np.random.default_rng(seed))[0]


def off(labels: np.ndarray, part: np.ndarray, k: int) -> tuple[float, float]:
    """Return by how much the worst class and the worst size are off."""
    rows = np.stack([np.bincount(labels[part == p], minlength=labels.max() + 1) for p in range(k)])
    assert rows.min() > 0
    return float(np.abs(rows / rows.sum(axis=0) * k - 1).max()), float(
        np.abs(rows.sum(axis=1) / rows.sum() * k - 1).max()
    )


@pytest.mark.parametrize(
    ("number", "width", "purity"), [(30, 2, 1), (40, 3, 0.5), (80, 4, 1), (150, 6, 0.5), (400, 5, 0)]
)
@pytest.mark.parametrize("k", [3, 5])
def test_folds_are_at_least_as_even_as_scikit_learns(number: int, width: int, purity: float, k: int) -> None:
    for seed in range(3):
        labels, groups = structure(seed, number, width, purity)
        if pool(labels, groups).class_groups.min() < k:
            continue
        theirs = np.zeros(len(labels), dtype=np.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            folder = StratifiedGroupKFold(k, shuffle=True, random_state=seed).split(labels, labels, groups)
            for fold, (_, side) in enumerate(folder):
                theirs[side] = fold
        ours = off(labels, parts(labels, groups, k, seed), k)
        assert np.all(ours <= np.add(off(labels, theirs, k), 1e-9))


@given(st.integers(0, 10_000), st.integers(8, 60), st.integers(2, 4), st.sampled_from([0, 0.5, 1]), st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_groups_are_whole_and_each_part_has_each_class(
    seed: int, number: int, width: int, purity: float, k: int
) -> None:
    labels, groups = structure(seed, number, width, purity)
    part, enough = pool(labels, groups).deal([1 / k] * k, [1] * k, np.random.default_rng(seed))
    assert len(np.unique(np.column_stack([part, groups]), axis=0)) == number
    found = len(np.unique(np.column_stack([part, labels]), axis=0)) == k * len(np.unique(labels))
    assert found == enough
    if purity == 1:
        # Groups of one class each: possible if there are as many of each class as parts.
        assert enough == (pool(labels, groups).class_groups.min() >= k)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(2, 7), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_rows_that_stand_alone_are_dealt_evenly(sizes: list[int], k: int, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    part = parts(labels, None, k, seed)
    for label in range(len(sizes)):
        counts = np.bincount(part[labels == label], minlength=k)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(part, minlength=k)
    # A class of fewer rows than parts is missing from the last ones, which folds refuse.
    assert counts.max() - counts.min() <= 1 or min(sizes) < k


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.floats(0.05, 0.6), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_a_share_of_rows_is_cut_within_a_row_for_each_class(sizes: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    part, enough = pool(labels).deal((1 - share, share), (1, 1), np.random.default_rng(seed))
    assert enough == (min(sizes) > 1)
    for label, size in enumerate(sizes):
        cut = int((part[labels == label] == 1).sum())
        assert abs(cut - share * size) < 1 or cut in (1, size - 1)
        assert cut < size
        assert cut > 0 or size == 1


def test_labels_groups_and_seed_decide_alone() -> None:
    labels, groups = structure(0, 60, 3)
    part = parts(labels, groups, 5)
    assert np.array_equal(part, parts(labels, groups, 5))
    assert not np.array_equal(part, parts(labels, groups, 5, seed=1))
    # Not the order of rows, not what groups are called as long as they stand in the same order.
    order = np.random.default_rng(0).permutation(len(labels))
    assert np.array_equal(part[order], parts(labels[order], groups[order], 5))
    assert np.array_equal(part, parts(labels, 7 * groups + 3, 5))


def test_sums_are_of_whole_numbers_that_no_processor_rounds() -> None:
    held = pool(*structure(0, 400, 6))._table
    assert np.array_equal(held.data, np.rint(held.data))
    dense = held.toarray()
    assert 64 * module._UNIT**2 * 7 * 6 + 4 * (dense @ dense.T).max() * dense.shape[1] < 2**53


def test_seeds_deal_differently() -> None:
    labels, groups = structure(3, 44, 2, purity=1)
    deals = {tuple(np.unique(parts(labels, groups, 5, seed), return_inverse=True)[1].tolist()) for seed in range(12)}
    assert len(deals) >= 10


def test_where_a_class_has_one_group_the_first_part_has_it() -> None:
    labels, groups = structure(1, 40, 2, purity=1)
    labels = np.where(groups == 7, 2, labels)
    for seed in range(10):
        part, enough = pool(labels, groups).deal((0.8, 0.2), (1, 1), np.random.default_rng(seed))
        assert not enough
        assert set(part[labels == 2]) == {0}
        assert set(labels[part == 1]) == {0, 1}


def test_a_million_rows_cost_no_more_looks_and_no_table_of_groups_times_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(100_000, size=1_000_000)
    own, any_of = (rng.choice(10, n, p=np.arange(1, 11) / 55) for n in (100_000, 1_000_000))
    labels = np.where(rng.random(1_000_000) < 0.7, own[groups], any_of)
    looked, best = [], module._best_exchange

    def counted(here: np.ndarray, there: np.ndarray, *others: np.ndarray) -> tuple[int, int] | None:
        looked.append((len(here) + len(there), here.shape[1]))
        return best(here, there, *others)

    monkeypatch.setattr(module, "_best_exchange", counted)
    class_off, size_off = off(labels, parts(labels, groups, 5), 5)
    assert class_off < 0.005
    assert size_off < 0.001
    assert len(looked) <= module._LOOKS
    assert max(looked) <= (600, 21)
