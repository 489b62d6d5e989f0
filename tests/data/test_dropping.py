"""An npz of MedMNIST's layout with contradicting and shared images: what is left out, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imbtk
from imbtk.data import DataOptions, load
from imbtk.errors import DataError, OptionError

WriteMedmnist = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path, write_medmnist: WriteMedmnist) -> Path:
    return write_medmnist(tmp_path / "breast.npz")


DROP = DataOptions(drop_conflicts=True, drop_leaks=True)


def test_the_refusals_name_the_flags(file: Path) -> None:
    with pytest.raises(
        DataError, match=r"1 time: train\[0\] \(0\) = val\[1\] \(1\)\. .*left out with --drop-conflicts"
    ):
        load(file)
    with pytest.raises(DataError, match=r"puts 3 sets of identical images .* --drop-leaks; .*: --ignore-split"):
        imbtk.run(file, drop_conflicts=True, epochs=1, quiet=True)


def test_conflicts_and_leaks_are_left_out_and_listed(file: Path) -> None:
    dataset = load(file, DROP)
    assert [(row.name, row.label, row.side) for row in dataset.left_out] == [
        ("train[0]", "0", "train"),
        ("val[1]", "1", "validation"),
        ("train[2]", "0", "train"),
        ("train[4]", "0", "train"),
        ("val[6]", "0", "validation"),
    ]
    reasons = [row.reason for row in dataset.left_out]
    assert reasons[0] == "contradicting labels: identical to val[1] (1)"
    assert reasons[2] == "leak: identical to test[2] on the test side"
    assert reasons[3] == "leak: identical to val[4] on the validation side"
    assert dataset.given_split is not None
    assert np.bincount(dataset.given_split).tolist() == [40 - 3, 16 - 2, 20]
    assert dataset.row_names[:3] == ("train[1]", "train[3]", "train[5]")
    said = " ".join(dataset.notes)
    assert "2 images are left out, in 1 set of identical images with different labels (--drop-conflicts)" in said
    assert (
        "2 training images and 1 validation image are left out, because identical images stand on a later side" in said
    )
    assert "1 image is identical to another" in said  # the pair within training stays
    assert dataset.description["digest"] != load(file, DataOptions(drop_conflicts=True)).description["digest"]


def test_the_rows_that_stay_are_untouched(file: Path) -> None:
    dataset, arrays = load(file, DROP), np.load(file)
    for place, name in enumerate(dataset.row_names):
        part, row = name.rstrip("]").split("[")
        assert (dataset.x[place, 0].numpy() == arrays[f"{part}_images"][int(row)]).all()
        assert int(dataset.class_names[dataset.labels[place]]) == arrays[f"{part}_labels"][int(row), 0]


def test_clean_data_stay_as_they_are(tmp_path: Path, write_medmnist: WriteMedmnist) -> None:
    path = write_medmnist(tmp_path / "clean.npz", clean=True)
    dropped, plain = load(path, DROP), load(path)
    assert dropped.left_out == ()
    assert (dropped.notes, dropped.description) == (plain.notes, plain.description)


def test_a_group_is_left_out_whole(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "a": range(12),
            "label": ["u", "v"] * 6,
            "patient": list("pppqqqrrrsss"),
            "split": ["train", "train", "test", *["train"] * 3, "val", "val", "train", *["test"] * 3],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    dataset = load(tmp_path / "t.csv", DataOptions(drop_leaks=True))
    assert [(row.name, row.reason) for row in dataset.left_out] == [
        ("1", "leak: group p is on the test side too (row 3)"),
        ("2", "leak: group p is on the test side too (row 3)"),
        ("9", "leak: group r is on the validation side too (row 7)"),
    ]
    assert "3 training rows are left out, because their groups (patients) stand on a later side" in " ".join(
        dataset.notes
    )
    assert load(tmp_path / "t.csv", DataOptions(ignore_split=True)).given_split is None


def test_copies_in_a_folder(tmp_path: Path, class_folders: Path) -> None:
    (class_folders / "dog" / "copy.png").write_bytes((class_folders / "cat" / "0.png").read_bytes())
    with pytest.raises(DataError, match="--drop-conflicts"):
        load(class_folders)
    dataset = load(class_folders, DataOptions(drop_conflicts=True))
    assert [row.name for row in dataset.left_out] == ["cat/0.png", "dog/copy.png"]
    assert [row.side for row in dataset.left_out] == ["", ""]
    assert dataset.row_names == ("cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png")


def test_what_makes_no_sense_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--drop-leaks is about the split .* --ignore-split ignores: give one"):
        load(file, DataOptions(drop_leaks=True, ignore_split=True))
    with pytest.raises(OptionError, match="--drop-leaks is about a split that the data give, and arrays gives none"):
        load((np.arange(24).reshape(12, 2), [0, 1] * 6), DataOptions(drop_leaks=True))
    with pytest.raises(OptionError, match="--drop-conflicts says nothing about builtin:breast-cancer"):
        load("builtin:breast-cancer", DataOptions(drop_conflicts=True))
    images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    images[3] = images[0]
    with pytest.raises(
        DataError, match=r"2 images are left out, .* What is left is no data set\. x: class 'a' has one sample, 'b'"
    ):
        load_named(images, ["a", "a", "b", "b"])


def load_named(images: np.ndarray, labels: list[str]) -> object:
    from imbtk.data.arrays import dataset_from_arrays

    return dataset_from_arrays(images, labels, None, DataOptions(drop_conflicts=True), name="x")
