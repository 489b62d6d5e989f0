"""The stratified split: shares, whole groups, every class on every side, given splits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from imbtk import Dataset, Draw, RunContext
from imbtk.errors import DataError, OptionError
from imbtk_plugins.splits.stratified_split import StratifiedSplit


def dataset(labels, groups=None, given_split=None, names=None):
    labels = torch.as_tensor(labels)
    names = names or tuple(f"c{i}" for i in range(int(labels.max()) + 1))
    groups = None if groups is None else torch.as_tensor(groups)
    given_split = None if given_split is None else torch.as_tensor(given_split)
    x = torch.zeros(len(labels), 1)
    return Dataset("test", "table", x, labels, tuple(names), groups=groups, given_split=given_split)


def split(data, seed=0, **options):
    counts = data.class_counts
    context = RunContext(data.class_names, counts, counts, data.labels, draw=Draw(seed, "stratified-split"))
    splits = StratifiedSplit(**options).imbtk_split(data, context)
    for one in splits:
        sides = (one.train, one.validation, one.test)
        assert all(side.dtype == torch.int64 for side in sides)
        assert sorted(torch.cat(sides).tolist()) == list(range(len(data)))
        if data.groups is not None and data.given_split is None:
            assert len(torch.cat([data.groups[side].unique() for side in sides])) == len(data.groups.unique())
    return splits


def counts(data, side):
    return torch.bincount(data.labels[side], minlength=data.num_classes).tolist()


def shares(data, side):
    return np.array(counts(data, side)) / data.class_counts.numpy()


def patients(per_class, rows_of=lambda g: 10 + g % 7):
    """Labels and groups of patients of one class each."""
    classes = np.repeat(np.arange(len(per_class)), per_class)
    sizes = [rows_of(g) for g in range(len(classes))]
    return dataset(np.repeat(classes, sizes), np.repeat(np.arange(len(classes)), sizes))


def test_hold_out_without_groups_is_exact():
    data = dataset(np.repeat([0, 1, 2], [500, 100, 25]))
    (one,) = split(data)
    assert counts(data, one.test) == [100, 20, 5]
    assert counts(data, one.validation) == [80, 16, 4]
    assert counts(data, one.train) == [320, 64, 16]


def test_many_small_classes_keep_the_share_of_the_whole():
    data = dataset(np.repeat(np.arange(50), 12))
    (one,) = split(data)
    assert abs(len(one.test) - 120) <= 3
    assert set(counts(data, one.test)) <= {2, 3}


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(3, 80), min_size=2, max_size=5),
    test=st.floats(0.05, 0.45),
    validation=st.floats(0.05, 0.45),
    seed=st.integers(0, 5),
)
def test_every_class_on_every_side_within_a_row_of_its_share(sizes, test, validation, seed):
    data = dataset(np.repeat(np.arange(len(sizes)), sizes))
    (one,) = split(data, seed, test=test, validation=validation)
    for side in (one.train, one.validation, one.test):
        assert min(counts(data, side)) >= 1
    for rows, size in zip(counts(data, one.test), sizes, strict=True):
        assert abs(rows - test * size) < 1 or rows in (1, size - 2)


@pytest.mark.parametrize("seed", range(6))
def test_groups_stay_whole_and_shares_are_met(seed):
    data = patients([10, 34])
    (one,) = split(data, seed)
    for side, share in ((one.test, 0.2), (one.validation, 0.16), (one.train, 0.64)):
        np.testing.assert_allclose(shares(data, side), share, atol=0.05)


def test_seeds_choose_other_patients_and_repeat():
    data = patients([10, 34])
    tests = [tuple(split(data, seed)[0].test.tolist()) for seed in range(12)]
    assert len(set(tests)) >= 8
    assert tests[3] == tuple(split(data, 3)[0].test.tolist())
    folds = [frozenset(tuple(one.test.tolist()) for one in split(data, seed, folds=5)) for seed in range(6)]
    assert len(set(folds)) >= 4


def test_global_random_state_is_left_alone():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    split(patients([6, 9]), folds=3)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize("per_class", [[3, 30], [3, 3, 3], [4, 3, 12, 25]])
def test_three_groups_are_enough(per_class):
    for seed in range(5):
        (one,) = split(patients(per_class), seed)
        for side in (one.train, one.validation, one.test):
            assert min(counts(patients(per_class), side)) > 0


def test_groups_with_several_classes():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 8)
    # Each patient has two of four classes; class 3 is in few patients.
    rare = np.isin(groups, [1, 8, 20, 33, 41])
    labels = np.where(rare & (rng.random(480) < 0.5), 3, rng.integers(0, 3, 480))
    data = dataset(labels, groups)
    for seed in range(5):
        (one,) = split(data, seed)
        for side, share in ((one.test, 0.2), (one.validation, 0.16)):
            assert min(counts(data, side)) > 0
            np.testing.assert_allclose(shares(data, side)[:3], share, atol=0.05)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_folds_partition_the_rows(k):
    for data in (patients([10, 34]), dataset(np.repeat([0, 1], [300, 40]))):
        splits = split(data, folds=k)
        assert len(splits) == k
        assert sorted(torch.cat([one.test for one in splits]).tolist()) == list(range(len(data)))
        for one in splits:
            np.testing.assert_allclose(shares(data, one.test), 1 / k, atol=0.07)
            rest = 1 - shares(data, one.test)
            np.testing.assert_allclose(shares(data, one.validation) / rest, 0.2, atol=0.07)
            assert min(counts(data, one.train)) > 0


def test_folds_without_groups_are_as_even_as_scikit_learns():
    data = dataset(np.repeat([0, 1, 2], [101, 33, 7]))
    ours = sorted(counts(data, one.test) for one in split(data, folds=5))
    folder = StratifiedKFold(5, shuffle=True, random_state=0)
    theirs = sorted(counts(data, torch.from_numpy(test)) for _, test in folder.split(data.labels, data.labels))
    assert ours == theirs


def test_without_shuffle_the_order_of_rows_decides():
    data = patients([10, 34])
    first, second = (split(data, seed, shuffle=False)[0] for seed in (0, 1))
    assert torch.equal(first.test, second.test)
    ungrouped = dataset(np.repeat([0, 1], [10, 20]))
    assert split(ungrouped, shuffle=False)[0].test.tolist() == [8, 9, 26, 27, 28, 29]


def test_given_sides_stay_and_validation_is_cut_from_training():
    data = patients([10, 34])
    given = torch.where(data.groups % 4 == 0, 2, 0)
    data = dataset(data.labels, data.groups, given)
    (one,) = split(data)
    assert torch.equal(one.test, torch.nonzero(given == 2)[:, 0])
    train = np.array(counts(data, torch.nonzero(given == 0)[:, 0]))
    np.testing.assert_allclose(counts(data, one.validation) / train, 0.2, atol=0.05)
    assert not set(data.groups[one.validation].tolist()) & set(data.groups[one.train].tolist())


def test_given_split_with_all_sides_is_taken_as_it_is():
    given = torch.arange(60) % 3
    data = dataset(np.repeat([0, 1], 30), None, given)
    (one,) = split(data)
    for number, side in enumerate((one.train, one.validation, one.test)):
        assert torch.equal(side, torch.nonzero(given == number)[:, 0])


def test_given_validation_without_test():
    data = dataset(np.repeat([0, 1], [200, 100]), None, (torch.arange(300) % 4 == 0).long())
    (one,) = split(data)
    assert torch.equal(one.validation, torch.nonzero(data.given_split == 1)[:, 0])
    # test / (1 - validation) of the 150 and 75 training rows.
    assert counts(data, one.test) == [36, 18]


def test_given_validation_rows_join_the_folds_where_no_test_side_is_given():
    data = dataset(np.repeat([0, 1], [200, 100]), None, (torch.arange(300) % 4 == 0).long())
    splits = split(data, folds=5)
    for fold in splits:
        assert counts(data, fold.test) == [40, 20]
        # 0.16 / (1 - 0.2) of the 160 and 80 rows that are left.
        assert counts(data, fold.validation) == [32, 16]
        assert len(torch.cat([fold.train, fold.validation, fold.test]).unique()) == 300
    assert sorted(torch.cat([fold.test for fold in splits]).tolist()) == list(range(300))


def test_a_given_split_without_training_rows():
    for options in ({}, {"folds": 3}):
        with pytest.raises(DataError, match="the split that 'test' gives has no training rows"):
            split(dataset(np.repeat([0, 1], 10), None, np.full(20, 2)), **options)


def test_folds_with_a_given_test_side_rotate_validation():
    given = torch.tensor([0, 0, 1, 2, 0] * 40)
    data = dataset(np.repeat([0, 1], 100), None, given)
    splits = split(data, folds=4)
    for one in splits:
        assert torch.equal(one.test, torch.nonzero(given == 2)[:, 0])
        assert counts(data, one.validation) == [20, 20]
    rows = torch.cat([one.validation for one in splits])
    assert sorted(rows.tolist()) == torch.nonzero(given != 2)[:, 0].tolist()


def test_too_few_groups():
    data = patients([2, 9])
    data = dataset(data.labels, data.groups, names=("benign", "malignant"))
    message = (
        r"class 'benign' has 2 groups, but train, validation and test need at least 3 of each class, so that each "
        r"side has one \(a group is never divided\): merge the class with another, leave it out, or bring more groups"
    )
    with pytest.raises(DataError, match=message):
        split(data)


def test_too_few_groups_for_the_folds():
    message = r"class 'c0' has 4 groups, but folds=5 needs at least 5 of each class, .*: use folds=4, merge the class"
    with pytest.raises(DataError, match=message):
        split(patients([4, 12]), folds=5)
    assert len(split(patients([4, 12]), folds=4)) == 4
    with pytest.raises(DataError, match="class 'c0' has 3 groups, but folds=2 needs at least 4 of each class"):
        split(patients([3, 12]), folds=2)


def test_too_few_rows():
    message = r"class 'c1' has 2 rows, class 'c2' has 1 row, but train, validation and test need at least 3"
    with pytest.raises(DataError, match=message):
        split(dataset([0] * 20 + [1, 1, 2]))


def test_too_few_groups_left_by_the_given_test_side():
    data = dataset([0] * 9 + [1], None, [0] * 8 + [2, 0])
    with pytest.raises(DataError, match="class 'c1' has 1 row, but the cut in two needs at least 2 of each class"):
        split(data)


def test_no_way_to_keep_groups_whole():
    # Three groups of class 0, and class 1 in the same three: whoever takes one takes both, but class 2 is in two pairs.
    groups = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2])
    labels = np.array([0, 1, 0, 1, 0, 1, 2, 2, 2])
    assert len(split(dataset(labels, groups))) == 1
    knot = dataset([0, 1, 0, 2, 1, 2], [0, 0, 1, 1, 2, 2], [0] * 6)
    with pytest.raises(DataError, match="class 'c0' has 2 groups, class 'c1' has 2 groups"):
        split(knot)
    # Each class is in three groups and must be tested in one of them: four classes in groups of three of them.
    triples = dataset([0, 1, 2, 0, 1, 3, 0, 2, 3, 1, 2, 3], np.repeat(np.arange(4), 3))
    message = (
        r"no way was found to keep groups whole with every class on every side: class 'c0' has 3 groups, "
        r"class 'c1' has 3 groups, class 'c2' has 3 groups, and some groups hold several classes"
    )
    with pytest.raises(DataError, match=message):
        split(triples)


def test_the_one_way_to_keep_groups_whole_is_found():
    # Six groups of two of four classes each: the test side is one of three pairs of groups that have all four.
    ring = dataset([0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3], np.repeat(np.arange(6), 2))
    for options in ({}, {"shuffle": False}, {"test": 0.1, "validation": 0.1}):
        (one,) = split(ring, **options)
        assert counts(ring, one.test) == counts(ring, one.validation) == counts(ring, one.train) == [1, 1, 1, 1]


def test_shares_that_leave_nothing():
    with pytest.raises(OptionError, match=r"test=0\.6 and validation=0\.4 leave no rows to train on"):
        StratifiedSplit(test=0.6, validation=0.4)
    with pytest.raises(OptionError, match="option 'folds' of strategy 'stratified-split'"):
        StratifiedSplit(folds=1)
