from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from imbtk.data import DataOptions, load
from imbtk.errors import DataError, OptionError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 8), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])


def test_images_and_groups() -> None:
    dataset = load((IMAGES, LABELS, ["p", "p", "q", "q", "r", "r"]))
    assert dataset.kind == "images"
    assert (dataset.x.numpy()[:, 0] == IMAGES).all()
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.row_names == ("0", "1", "2", "3", "4", "5")
    assert dataset.preprocessing == {"kind": "images", "size": 8, "resize": "pad", "channels": 1}
    assert load((IMAGES, LABELS, ["p", "p", "q", "q", "r", "r"]), DataOptions(groups="none")).groups is None


def test_a_table() -> None:
    x = RNG.normal(size=(6, 3))
    dataset = load((x, LABELS))
    assert dataset.kind == "table"
    np.testing.assert_allclose(dataset.x.numpy(), x, rtol=1e-6)
    assert dataset.feature_names == ("x0", "x1", "x2")


def test_tensors_lists_and_frames() -> None:
    assert load((torch.from_numpy(IMAGES), torch.from_numpy(LABELS))).x.shape == (6, 1, 8, 8)
    assert load((IMAGES.tolist(), LABELS.tolist())).x.shape == (6, 1, 8, 8)
    frame = pd.DataFrame({"a": range(6), "c": list("uvuvuv")})
    assert load((frame, pd.Series(list("mnmnmn")))).feature_names == ("a", "c=u", "c=v")


def test_identical_arrays_stay_together_or_are_refused() -> None:
    same = IMAGES.copy()
    same[2] = same[0]
    dataset = load((same, LABELS))
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 1, 0, 2, 3, 4]
    assert dataset.description["groups_known"] is False
    same[1] = same[0]
    with pytest.raises(DataError, match=r"different labels, 1 time: row 0 \(0\) = row 1 \(1\) = row 2 \(0\)"):
        load((same, LABELS))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((IMAGES, LABELS[:5]), "arrays: lengths differ, x has 6, y has 5 rows. Give one label"),
        ((IMAGES, LABELS, [1, 2]), "lengths differ, x has 6, y has 6, groups has 2 rows"),
        ((IMAGES[0, 0], LABELS), r"x of arrays has the shape \(8,\)\. Give images as"),
        ((IMAGES, np.eye(6)), r"y of arrays has the shape \(6, 6\)\. Give one class for each row.*argmax"),
        ((IMAGES, LABELS / 3), "labels of arrays: labels are numbers with a fraction"),
        (
            (IMAGES, np.where(LABELS == 1, np.nan, 0)),
            r"labels of arrays: no label \(empty or NaN\) for 3 of 6 rows: 1, 3, 5",
        ),
        ((IMAGES, np.zeros(6, int)), "labels of arrays: there is a single class, '0'"),
        ((IMAGES, [0, 1, 1, 1, 1, 1]), "class '0' has one sample"),
        ((IMAGES[:0], LABELS[:0]), "arrays: there is no row"),
        (([[1, 2], [3]], [0, 1]), "x of arrays is no array: its rows have different shapes"),
        ((np.array([["a", "b"]] * 6), LABELS), "x of arrays holds <U1 values that are no numbers"),
        ((IMAGES / 16, LABELS), "floating-point pixels from .* where 0 to 1 is expected"),
        ((np.full((6, 2), np.inf), LABELS), "column 'x0' is infinite"),
        (
            (IMAGES, LABELS, [1, 2, None, 3, 4, 5]),
            r"groups of arrays: no group \(empty or NaN\) for 1 of 6 rows: row 2",
        ),
    ],
)
def test_bad_arrays_are_refused(data: tuple[object, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(data)


def test_options_of_files_are_refused() -> None:
    with pytest.raises(OptionError, match="--group-pattern says nothing about arrays, which holds images as arrays"):
        load((IMAGES, LABELS), DataOptions(group_pattern="(x)"))
    with pytest.raises(OptionError, match="--image-size says nothing about arrays, which is a table"):
        load((np.ones((6, 2)), LABELS), DataOptions(image_size=8))


def _npz(tmp_path: Path, **arrays: object) -> Path:
    np.savez(tmp_path / "data.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path / "data.npz"


@pytest.mark.parametrize(
    "keys",
    [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("data", "label"), ("Images", "Targets")],
)
def test_an_npz_of_a_pair(tmp_path: Path, keys: tuple[str, str]) -> None:
    dataset = load(_npz(tmp_path, **{keys[0]: IMAGES, keys[1]: LABELS, "groups": np.arange(6) // 2}))
    assert dataset.x.shape == (6, 1, 8, 8)
    assert dataset.group_names == ("0", "1", "2")
    assert dataset.name == "data.npz"
    assert dataset.description["source"] == "npz"


@pytest.mark.parametrize(
    "form", ["{part}_images {part}_labels", "x_{part} y_{part}", "{part}_data {part}_label", "X_{part} Y_{part}"]
)
def test_an_npz_in_parts(tmp_path: Path, form: str) -> None:
    arrays: dict[str, np.ndarray] = {}
    for part, rows in (("train", [0, 1]), ("val", [2, 3]), ("test", [4, 5])):
        x, y = form.format(part=part).split()
        arrays |= {x: IMAGES[rows], y: LABELS[rows, None]}
    dataset = load(_npz(tmp_path, **arrays))
    assert dataset.given_split is not None
    assert dataset.given_split.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.labels.tolist() == LABELS.tolist()
    assert (dataset.x.numpy()[:, 0] == IMAGES).all()


def test_parts_without_validation_are_left_as_they_are(tmp_path: Path) -> None:
    path = _npz(
        tmp_path, train_images=IMAGES[:4], train_labels=LABELS[:4], test_images=IMAGES[4:], test_labels=LABELS[4:]
    )
    dataset = load(path)
    assert dataset.given_split is not None
    assert dataset.given_split.tolist() == [0, 0, 0, 0, 2, 2]


def test_an_array_that_says_the_sides_and_arrays_that_are_not_read(tmp_path: Path) -> None:
    sides = np.array(["train", "val", "test"] * 2)
    path = _npz(tmp_path, x=IMAGES, y=LABELS, split=sides, names=np.arange(6), size=8)
    dataset = load(path)
    assert dataset.given_split is not None
    assert dataset.given_split.tolist() == [0, 1, 2] * 2
    assert dataset.notes == ("Arrays of the file that are not read: names.",)
    assert load(path, DataOptions(ignore_split=True)).given_split is None
    assert load(_npz(tmp_path, x=IMAGES, y=LABELS, split=np.arange(6))).given_split is None


def test_groups_of_parts(tmp_path: Path) -> None:
    parts = {
        "train_images": IMAGES[:4],
        "train_labels": LABELS[:4],
        "test_images": IMAGES[4:],
        "test_labels": LABELS[4:],
    }
    groups = {"train_groups": np.array(["a", "a", "b", "b"]), "test_groups": np.array(["c", "c"])}
    assert load(_npz(tmp_path, **parts, **groups)).group_names == ("a", "b", "c")
    del groups["test_groups"]
    with pytest.raises(DataError, match="some parts of the split have groups and others have none"):
        load(_npz(tmp_path, **parts, **groups))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([{}, {}], dtype=object), "y": [0, 1]}, "array 'x' holds Python objects, which could run code"),
        (
            {"a": [1], "b": [2]},
            r"has no array of samples\. Samples and labels are called x and y .* It holds: a \(1,\), b \(1,\)",
        ),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES},
            "has test_images and no labels for it, such as test_labels",
        ),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES, "test_labels": LABELS[:3]},
            "test_images has 6 rows and test_labels has 3",
        ),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:, :4], "test_labels": LABELS},
            r"images of different shapes, \(4, 8\), \(8, 8\)",
        ),
        ({"test_images": IMAGES, "test_labels": LABELS}, "has no training part, only test_images. To split its rows"),
        ({"train_labels": LABELS}, "has train_labels and no array of the samples .*, such as train_images"),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES, "test_labels": LABELS[:, None]},
            r"do not fit together: train_labels \(6,\), test_labels \(6, 1\)",
        ),
        ({"x": 3, "y": LABELS}, "x is a single number"),
        ({"images": IMAGES}, r"has images and no labels for it, such as y or labels.*: imbtk predict\."),
        (
            {"x": IMAGES, "y": LABELS, "split": ["train", "tets"] * 3},
            "split of data.npz: 3 of 6 rows .*'tets', first in",
        ),
    ],
)
def test_bad_npz_files_are_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(_npz(tmp_path, **arrays))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"no archive", b"\x80\x04pickle"])
def test_broken_npz_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz.*(no \.npz file that can be read|is broken|holds Python objects)"):
        load(path)


def test_a_truncated_npz_is_refused(tmp_path: Path) -> None:
    path = _npz(tmp_path, x=IMAGES, y=LABELS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"data\.npz is no \.npz file that can be read"):
        load(path)
    damaged = bytearray(whole)
    damaged[300] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"data\.npz is no \.npz file that can be read: Bad CRC"):
        load(path)
