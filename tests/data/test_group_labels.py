"""What class a group is whose rows have several."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbtk.data import load
from imbtk.data.group_labels import group_classes
from imbtk.data.group_rule import rule_words
from imbtk.data.options import DataOptions
from imbtk.errors import DataError, ImbtkError, OptionError

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


def test_the_rules_in_words():
    assert (
        rule_words("any:bad", "patient")
        == "a patient with any row of 'bad' is 'bad', another what most of its rows are"
    )
    assert rule_words("column:dx", "study") == "what a study is, the column 'dx' says"
    assert rule_words(None, "group") == "all rows of a group have one class, which is its own"


@pytest.mark.parametrize("text", ["any", "any:", "majority:benign", "column:", "most", ""])
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(
        (OptionError, ValueError), match=r"does not say what class a group is\. Write any:CLASS, majority"
    ):
        DataOptions(group_label=text)


@pytest.mark.parametrize("noun", ["", "7", "a\nb", "<b>"])
def test_what_is_no_name_of_a_group_is_refused(noun):
    with pytest.raises((OptionError, ValueError), match="is no name of a thing: write one in the singular"):
        DataOptions(group_name=noun)


def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": rng.normal(size=12),
            "label": ["ok", "ok", "bad"] * 4,
            "site": np.repeat(["a", "b", "c", "d"], 3),
            "verdict": np.repeat(["bad", "ok", "bad", "ok"], 3),
        }
    )


def test_a_column_says_the_class_of_a_group_and_is_no_feature():
    dataset = load(frame(), DataOptions(group_column="site", group_label="column:verdict", group_name="site"))
    assert dataset.feature_names == ("size",)
    assert (dataset.group_name, dataset.group_label) == ("site", "column:verdict")
    said = [dataset.class_names[k] for k in dataset.group_truth.tolist()]
    assert said == frame()["verdict"].tolist()


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("verdit", {}, r"DataFrame has no column 'verdit' \(--group-label\).*'verdict'"),
        ("verdict", {0: "ok"}, r"column 'verdict' of DataFrame .* for 1 of 4 it says several things: a \(ok and bad\)"),
        ("verdict", {3: "so-so"}, r"and 'so-so' is none of: 'bad', 'ok'"),
        ("verdict", {3: None}, r"and '' is none of"),
    ],
)
def test_a_column_that_cannot_say_it_is_refused(column, change, message):
    data = frame()
    for row, value in change.items():
        data.loc[row, "verdict"] = value
    with pytest.raises(DataError, match=message):
        load(data, DataOptions(group_column="site", group_label=f"column:{column}"))


@pytest.mark.parametrize(
    ("groups", "rule", "message"),
    [
        (None, "majority", "which rows of arrays belong together is not known"),
        (np.repeat(np.arange(4), 5), "any:sick", r"--group-label any:sick: there is no class 'sick'.*ill, well"),
        (np.repeat(np.arange(4), 5), "column:dx", "has no columns, which only manifests and tables have"),
    ],
)
def test_a_rule_that_says_nothing_about_the_data_is_refused(groups, rule, message):
    x, y = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32), ["ill", "well"] * 10
    data = (x, y) if groups is None else (x, y, groups)
    with pytest.raises(ImbtkError, match=message):
        load(data, DataOptions(group_label=rule))


@pytest.mark.parametrize(
    ("column", "options", "noun"),
    [
        ("patient_id", {}, "patient"),
        ("subject", {}, "group"),
        ("subject", {"group_name": "volunteer"}, "volunteer"),
        ("card", {"group_column": "card"}, "group"),
    ],
)
def test_what_a_group_is_called(column, options, noun):
    data = frame().drop(columns="verdict").rename(columns={"site": column})
    assert load(data, DataOptions(**options)).group_name == noun


def test_a_manifest_of_histology_has_patients(tmp_path: Path):
    from PIL import Image

    rows = []
    for i in range(8):
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(tmp_path / f"{i}.png")
        rows.append({"file": f"{i}.png", "label": "ab"[i % 2], "slide": i // 2, "dx": "ab"[i // 2 % 2]})
    pd.DataFrame(rows).to_csv(tmp_path / "biopsies.csv", index=False)
    options = DataOptions(group_column="slide", group_label="column:dx", cache_dir=str(tmp_path / "cache"))
    dataset = load(tmp_path / "biopsies.csv", options)
    assert dataset.group_name == "patient"
    assert dataset.group_truth.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
