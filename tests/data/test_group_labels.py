"""What class a group is whose rows have several."""

import numpy as np
import pytest

from imbtk.data import load
from imbtk.data.group_labels import group_classes
from imbtk.data.options import DataOptions
from imbtk.errors import DataError, ImbtkError

NAMES = ("benign", "in situ", "malignant")
LABELS = np.array([0, 0, 2, 0, 1, 1, 0, 1])
GROUPS = np.array([4, 4, 4, 7, 7, 7, 9, 9])


def test_any_row_of_a_class_makes_the_group():
    got = group_classes("any:malignant", LABELS, GROUPS, NAMES, (5, 3, 1))
    assert got.tolist() == [2, 2, 2, 1, 1, 1, 1, 1], "group 9 has as many of both: the rarer class, 'in situ'"


def test_majority_and_the_rarer_class_where_two_have_as_many():
    got = group_classes("majority", LABELS, GROUPS, NAMES, (5, 3, 1))
    assert got.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert group_classes("majority", LABELS, GROUPS, NAMES, (3, 5, 1))[-1] == 0


def test_a_column_says_the_class_of_a_group_and_is_no_feature(site_frame):
    dataset = load(site_frame, DataOptions(group_column="site", group_label="column:verdict", group_name="site"))
    assert dataset.feature_names == ("size",)
    assert (dataset.group_name, dataset.group_label) == ("site", "column:verdict")
    said = [dataset.class_names[k] for k in dataset.group_truth.tolist()]
    assert said == site_frame["verdict"].tolist()


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("verdit", {}, r"DataFrame has no column 'verdit' \(--group-label\).*'verdict'"),
        ("verdict", {0: "ok"}, r"column 'verdict' of DataFrame .* for 1 of 4 it says several things: a \(ok and bad\)"),
        ("verdict", {3: "so-so"}, r"and 'so-so' is none of: 'bad', 'ok'"),
        ("verdict", {3: None}, r"and '' is none of"),
    ],
)
def test_a_column_that_cannot_say_it_is_refused(site_frame, column, change, message):
    data = site_frame.copy()
    for row, value in change.items():
        data.loc[row, "verdict"] = value
    with pytest.raises(DataError, match=message):
        load(data, DataOptions(group_column="site", group_label=f"column:{column}"))


@pytest.mark.parametrize(
    ("groups", "rule", "message"),
    [
        (None, "majority", "which rows of arrays belong together is not known"),
        (np.repeat(np.arange(4), 5), "any:sick", r"--group-label any:sick: unknown class 'sick'.*ill, well"),
        (np.repeat(np.arange(4), 5), "column:dx", "has no columns, which only manifests and tables have"),
    ],
)
def test_a_rule_that_says_nothing_about_the_data_is_refused(groups, rule, message):
    x, y = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32), ["ill", "well"] * 10
    data = (x, y) if groups is None else (x, y, groups)
    with pytest.raises(ImbtkError, match=message):
        load(data, DataOptions(group_label=rule))
