"""New rows from everything that a user may have: names, files, groups, labels, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imbtk.data.new_rows import new_rows
from imbtk.data.options import DataOptions
from imbtk.errors import DataError

IMAGES: dict[str, Any] = {
    "kind": "images",
    "class_names": ["benign", "malignant"],
    "preprocessing": {"size": 8, "resize": "pad", "channels": 3},
}
TABLE: dict[str, Any] = {
    "kind": "table",
    "class_names": ["benign", "malignant"],
    "preprocessing": {"columns": [{"name": "size", "type": "number"}]},
}
PLAIN = DataOptions()


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 9), "red").save(path)
    return path


def test_a_nested_folder_without_labels(tmp_path: Path) -> None:
    for name in ("b/x.png", "a/deep/er/y.jpg", ".hidden/z.png", "top.png", "notes.txt"):
        picture(tmp_path / name) if name[-3:] != "txt" else (tmp_path / name).write_text("no image")
    rows = new_rows([tmp_path], PLAIN, IMAGES, labelled=True)
    assert rows.names == ("a/deep/er/y.jpg", "b/x.png", "top.png")
    assert rows.files == tuple(tmp_path / name for name in rows.names)
    assert (rows.groups, rows.labels) == (None, None)


def test_class_folders_label_and_patterns_group(tmp_path: Path) -> None:
    for name in ("malignant/P1_a.png", "malignant/P2_a.png"):
        picture(tmp_path / name)
    rows = new_rows([tmp_path], DataOptions(group_pattern=r"(P\d)_"), IMAGES, labelled=True)
    assert rows.labels == ("malignant", "malignant")
    assert rows.groups == ("P1", "P2")
    picture(tmp_path / "loose_P3_a.png")
    with pytest.raises(DataError, match=r"1 images lie in no class folder: loose_P3_a\.png"):
        new_rows([tmp_path], PLAIN, IMAGES, labelled=True)


def test_a_level_says_where_the_class_stands(tmp_path: Path) -> None:
    picture(tmp_path / "site1" / "benign" / "a.png")
    rows = new_rows([tmp_path], DataOptions(label_level=2), IMAGES, labelled=True)
    assert rows.labels == ("benign",)
    with pytest.raises(DataError, match=r"--label-level 3: 1 of 1 images in .* have no folder at that level"):
        new_rows([tmp_path], DataOptions(label_level=3), IMAGES, labelled=True)


def test_breakhis_names_say_class_and_patient(tmp_path: Path) -> None:
    picture(tmp_path / "SOB_B_A-14-29960CD-200-007.png")
    picture(tmp_path / "SOB_M_DC-14-2523-200-001.png")
    rows = new_rows([tmp_path], PLAIN, IMAGES, labelled=True)
    assert rows.labels == ("benign", "malignant")
    assert rows.groups == ("29960", "2523")


def test_single_images(tmp_path: Path) -> None:
    one, two = picture(tmp_path / "one.png"), picture(tmp_path / "two.png")
    rows = new_rows([one, two], PLAIN, IMAGES)
    assert rows.names == (one.as_posix(), two.as_posix())
    with pytest.raises(
        DataError, match=r"of several inputs each must be an image file, not so: .*b$|of several inputs"
    ):
        new_rows([one, tmp_path], PLAIN, IMAGES)


def test_a_manifest_keeps_rows_whose_file_is_not_there(tmp_path: Path) -> None:
    picture(tmp_path / "one.png")
    table = pd.DataFrame({"path": ["one.png", "gone.png", ""], "patient": ["p", "p", "q"], "label": ["benign"] * 3})
    table.to_csv(tmp_path / "list.csv", index=False)
    rows = new_rows([tmp_path / "list.csv"], PLAIN, IMAGES, labelled=True)
    assert rows.names == ("one.png", "gone.png", "row 3")
    assert rows.files == (tmp_path / "one.png", tmp_path / "gone.png", None)
    assert rows.groups == ("p", "p", "q")
    assert rows.labels == ("benign",) * 3
    kept = new_rows([tmp_path / "list.csv"], DataOptions(where=("patient=q",), groups="none"), IMAGES)
    assert (len(kept), kept.groups, kept.labels) == (1, None, None)


def test_a_table(tmp_path: Path) -> None:
    pd.DataFrame({"size": [1, 2], "label": ["benign", ""]}).to_csv(tmp_path / "t.csv", index=False)
    rows = new_rows([tmp_path / "t.csv"], PLAIN, TABLE, labelled=True)
    assert rows.names == ("1", "2")
    assert rows.labels == ("benign", "")
    assert list(rows.part(1, 2)["size"]) == ["2"]


def test_a_feature_with_a_telling_name_is_no_label_or_group(tmp_path: Path) -> None:
    pd.DataFrame({"class": [1, 2], "group": [3, 4]}).to_csv(tmp_path / "t.csv", index=False)
    columns = [{"name": "class", "type": "number"}, {"name": "group", "type": "number"}]
    rows = new_rows([tmp_path / "t.csv"], PLAIN, {**TABLE, "preprocessing": {"columns": columns}}, labelled=True)
    assert (rows.labels, rows.groups) == (None, None)


def test_arrays(tmp_path: Path) -> None:
    images = np.zeros((3, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=[0, 1, 1], groups=[7, 7, 8])
    rows = new_rows([tmp_path / "a.npz"], PLAIN, IMAGES, labelled=True)
    assert (rows.labels, rows.groups, len(rows)) == (("0", "1", "1"), ("7", "7", "8"), 3)
    np.save(tmp_path / "a.npy", images)
    assert new_rows([tmp_path / "a.npy"], PLAIN, IMAGES).names == ("0", "1", "2")


def test_builtin_data_have_labels() -> None:
    rows = new_rows(["builtin:breast-cancer"], PLAIN, TABLE, labelled=True)
    assert len(rows) == 569
    assert rows.labels is not None
    assert rows.labels.count("malignant") == 212


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", first=np.zeros(3), second=np.zeros(3))
    np.savez(tmp_path / "short.npz", x=np.zeros((3, 8, 8), np.uint8), y=[0])
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "table.npy", np.zeros((3, 4)))
    np.save(tmp_path / "none.npy", np.zeros((0, 8, 8), np.uint8))
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    cases = {
        "odd.npz": r"has no array of samples \(x, images, .*\)\. It holds: first, second",
        "short.npz": "x has 3 rows and y has 1",
        "objects.npy": r"objects\.npy cannot be read as an \.npy file of plain numbers",
        "table.npy": r"holds a table, and this model was trained on images\. If a column names image files, say which",
        "none.npy": "holds no row",
        "text.txt": r"text\.txt is no folder, CSV, \.npz, \.npy or image file",
        "empty": "holds no images",
        "nowhere": "there is no file or folder .*nowhere",
    }
    for name, message in cases.items():
        with pytest.raises(DataError, match=message):
            new_rows([tmp_path / name], PLAIN, IMAGES, labelled=True)
    with pytest.raises(DataError, match="nothing to predict was given"):
        new_rows([], PLAIN, IMAGES)
    with pytest.raises(DataError, match="holds images, and this model was trained on tables"):
        new_rows([picture(tmp_path / "a.png")], PLAIN, TABLE)


@pytest.mark.parametrize(("x", "y"), [("{}_images", "{}_labels"), ("x_{}", "y_{}")])
def test_of_a_split_in_parts_the_test_part_is_read(tmp_path: Path, x: str, y: str) -> None:
    arrays = {}
    for number, part in enumerate(("train", "val", "test"), 1):
        arrays[x.format(part)] = np.full((number, 8, 8), number, dtype=np.uint8)
        arrays[y.format(part)] = np.full((number, 1), number % 2)
    np.savez(tmp_path / "medmnist.npz", **arrays)
    rows = new_rows([tmp_path / "medmnist.npz"], PLAIN, IMAGES, labelled=True)
    assert rows.values.max() == rows.values.min() == 3
    assert rows.labels == ("1", "1", "1")
    train, val, test = (x.format(part) for part in ("train", "val", "test"))
    assert rows.notes == (
        f"medmnist.npz comes in parts: {test} is read, {train}, {val} is not (--ignore-split reads all).",
    )
    assert new_rows([tmp_path / "medmnist.npz"], PLAIN, IMAGES).labels is None
    np.savez(tmp_path / "only.npz", **{name: values for name, values in arrays.items() if "test" in name})
    assert new_rows([tmp_path / "only.npz"], PLAIN, IMAGES).notes == ()
