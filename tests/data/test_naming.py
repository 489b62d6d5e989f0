"""Names for classes whose labels say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbtk.data import DataOptions, load
from imbtk.data.naming import named_labels
from imbtk.errors import OptionError
from imbtk.planning.config import make_config

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3


def names(text: object) -> tuple[str, ...]:
    return load((X, Y), DataOptions(class_names=text)).class_names  # type: ignore[arg-type]


def test_names_by_label() -> None:
    dataset = load((X, Y), DataOptions(class_names="0=malignant, 2=benign"))
    assert dataset.class_names == ("malignant", "1", "benign")
    assert dataset.labels.tolist() == Y.tolist()
    assert dataset.description["names_of_labels"] == {"0": "malignant", "2": "benign"}
    assert names("0=1,1=0") == ("1", "0", "2")
    assert names('0="benign, cystic",1=a=b'.replace("a=b", '"a=b"')) == ("benign, cystic", "a=b", "2")
    assert names({0: "malignant, rare", "1": "b"}) == ("malignant, rare", "b", "2")
    config = make_config({"class_names": {0: "m"}})
    assert make_config({"class_names": config.class_names}).class_names == config.class_names


def test_every_source_takes_names(tmp_path: Path, class_folders: Path) -> None:
    assert load(class_folders, DataOptions(class_names="cat=Felis")).class_names == ("Felis", "dog")
    pd.DataFrame({"a": X[:, 0], "label": Y}).to_csv(tmp_path / "t.csv", index=False)
    assert load(tmp_path / "t.csv", DataOptions(class_names="0=u,1=v,2=w")).class_names == ("u", "v", "w")
    assert load("builtin:digits", DataOptions(class_names="9=nine")).class_names[-1] == "nine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7=benign", r"names the label '7', which arrays does not have: its labels are '0', '1', '2'\."),
        ("0=1", "would call both the labels '0' and '1' '1': every class needs a name"),
        ("0=a,1=A", "would call both the labels '0' and '1' 'A'"),
        ("0=a,0=b", "names the label '0' twice"),
        ("0", "'0' gives no names of classes. Write LABEL=NAME"),
        ("", "'' gives no names of classes"),
        ("0=", "gives no names of classes"),
    ],
)
def test_bad_names_are_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        load((X, Y), make_config({"class_names": text}))


def test_labels_of_new_rows() -> None:
    model, trained = ("malignant", "benign"), {"0": "malignant", "1": "benign"}
    assert named_labels(["0", "1"], None, trained, model) == model
    assert named_labels(["malignant", "benign"], None, trained, model) == model
    assert named_labels(["2", "1"], "2=malignant,1=benign", trained, model) == model
    assert named_labels(["1", "1"], "0=malignant,1=benign", trained, model) == ("benign", "benign")
    assert named_labels(["malignant", "1"], None, trained, model) == model
    assert named_labels(["x"], None, {}, model) == ("x",)
    with pytest.raises(OptionError, match="names the label '5', and the data have '0', '1'"):
        named_labels(["0", "1"], "5=malignant", trained, model)
    with pytest.raises(OptionError, match="names the label '5', and the data have '0'"):
        named_labels(["0"], "0=benign,5=malignnt", trained, model)
