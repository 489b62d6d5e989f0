import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from imbtk.data import DataOptions, load
from imbtk.errors import DataError, OptionError

WriteImage = Callable[..., Path]


@pytest.fixture
def manifest(tmp_path: Path, write_image: WriteImage) -> Callable[..., Path]:
    """Return a function that writes four images and a CSV file with these columns."""

    def write(**columns: list[str]) -> Path:
        columns = {"file": [f"img/{i}.png" for i in range(4)], "label": ["a", "a", "b", "b"]} | columns
        for name in columns["file"]:
            if not (tmp_path / name).exists():
                write_image(tmp_path / name)
        with (tmp_path / "index.csv").open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
        return tmp_path / "index.csv"

    return write


def test_columns_are_found_by_name(manifest: Callable[..., Path]) -> None:
    dataset = load(manifest(patient_id=["p", "p", "q", "r"], split=["train", "train", "val", "test"]))
    assert dataset.kind == "images"
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 0, 1, 2]
    assert dataset.group_names == ("p", "q", "r")
    assert dataset.given_split is not None
    assert dataset.given_split.tolist() == [0, 0, 1, 2]
    assert dataset.row_names == ("img/0.png", "img/1.png", "img/2.png", "img/3.png")
    assert dataset.description["groups_from"] == "column 'patient_id' of index.csv"


def test_columns_can_be_named(manifest: Callable[..., Path]) -> None:
    path = manifest(kind=["x", "y", "x", "y"], case=["1", "2", "3", "3"], fold=["train", "test", "train", "test"])
    dataset = load(path, DataOptions(path_column="file", label_column="kind", group_column="case", split_column="fold"))
    assert dataset.class_names == ("x", "y")
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 1, 2, 2]
    assert dataset.given_split is not None
    assert torch.bincount(dataset.given_split, minlength=3).tolist() == [2, 0, 2]


def test_hostile_class_names_are_kept(manifest: Callable[..., Path]) -> None:
    names = ["../a/b", "two\nlines", "../a/b", "two\nlines"]
    assert load(manifest(label=names)).class_names == ("../a/b", "two\nlines")
    names = ["<script>alert(1)</script>", 'b,"c"'] * 2
    assert load(manifest(label=names)).class_names == ("<script>alert(1)</script>", 'b,"c"')


def test_rows_can_be_filtered(manifest: Callable[..., Path]) -> None:
    files = [f"img/{i}.png" for i in range(8)]
    path = manifest(file=files, label=["a", "b"] * 4, magnification=["40"] * 4 + ["200"] * 4)
    dataset = load(path, DataOptions(where=("magnification=200",)))
    assert dataset.row_names == tuple(files[4:])
    assert dataset.description["where"] == ["magnification=200"]


def test_breakhis_names_group_by_digits_unless_a_column_is_named(manifest: Callable[..., Path]) -> None:
    files = [f"SOB_B_A-14-1{letters}-40-00{i}.png" for i, letters in enumerate(["AB", "CD", "AB", "CD"])]
    path = manifest(file=files, patient_id=["1AB", "1CD", "1AB", "1CD"])
    assert load(path).group_names == ("1",)
    assert load(path, DataOptions(group_column="patient_id")).group_names == ("1AB", "1CD")
    assert load(path, DataOptions(groups="none")).groups is None


def test_missing_files_are_listed(manifest: Callable[..., Path]) -> None:
    path = manifest()
    (path.parent / "img/1.png").unlink()
    (path.parent / "img/3.png").unlink()
    message = (
        r"index\.csv: 2 of 4 files do not exist in .*: img/1\.png, img/3\.png\. Paths in column 'file' are relative"
    )
    with pytest.raises(DataError, match=message):
        load(path)


def test_a_manifest_whose_files_are_all_elsewhere_is_no_table(manifest: Callable[..., Path]) -> None:
    path = manifest()
    (path.parent / "img").rename(path.parent / "moved")
    with pytest.raises(DataError, match="4 of 4 files do not exist"):
        load(path)


def test_a_column_of_files_that_nobody_could_guess(manifest: Callable[..., Path]) -> None:
    path = manifest()
    path.write_text(path.read_text(encoding="utf-8-sig").replace("file,", "member,"))
    with pytest.raises(
        DataError, match=r"column 'member' of index\.csv seems to hold image files.*--path-column 'member'"
    ):
        load(path)
    assert len(load(path, DataOptions(path_column="member"))) == 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"file": ["img/0.png", "", "img/2.png", "img/3.png"]}, r"column 'file' of index.csv names no file in row 2\."),
        ({"file": ["img/0.png", "img/1.png", "img/0.png", "img/3.png"]}, r"img/0\.png stands in more than one row"),
        (
            {"label": ["a", "", "b", "NaN"]},
            r"column 'label' of index.csv: no label \(empty or NaN\) for 2 of 4 rows: img/1",
        ),
        ({"label": ["0.1", "0.2", "0.3", "0.4"]}, "labels are numbers with a fraction"),
        ({"patient": ["p", "", "q", "r"]}, r"column 'patient' of index.csv: no group .* for 1 of 4 rows: row 2"),
    ],
)
def test_bad_columns_are_refused(manifest: Callable[..., Path], columns: dict[str, list[str]], message: str) -> None:
    columns = {key: list(values) for key, values in columns.items()}
    empty = [i for i, name in enumerate(columns.get("file", [])) if not name]
    for i in empty:
        columns["file"][i] = "."
    path = manifest(**columns)
    if empty:
        path.write_text(path.read_text(encoding="utf-8-sig").replace("\n.,", "\n,"))
    with pytest.raises(DataError, match=message):
        load(path)


def test_an_unknown_split_is_refused_if_it_was_asked_for(manifest: Callable[..., Path]) -> None:
    path = manifest(split=["1", "2", "3", "4"])
    assert load(path).given_split is None
    with pytest.raises(DataError, match=r"column 'split' of index\.csv: 4 of 4 rows are on no side of a split"):
        load(path, DataOptions(split_column="split"))
    with pytest.raises(
        DataError, match=r"column 'split' of index\.csv: 2 of 4 rows are on no side of a split: .*'tset'"
    ):
        load(manifest(split=["train", "val", "tset", ""]))


def test_an_option_of_folders_is_refused(manifest: Callable[..., Path]) -> None:
    with pytest.raises(OptionError, match=r"--label-level says nothing about the image manifest index\.csv"):
        load(manifest(), DataOptions(label_level=2))


def test_a_frame_of_files_is_relative_to_the_working_directory(
    manifest: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = manifest()
    monkeypatch.chdir(path.parent)
    assert load(pd.read_csv(path)).x.shape == (4, 3, 8, 8)
