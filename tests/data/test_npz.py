"""``.npz`` and ``.npy`` files, by the names of their arrays."""

from pathlib import Path

import numpy as np
import pytest

from imbtk.data import DataOptions, load
from imbtk.data.npz import array_rows
from imbtk.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 8), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])


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


def test_rows_of_a_file_in_parts_are_those_of_the_test_part(tmp_path: Path) -> None:
    arrays = {"train_x": IMAGES[:3], "val_x": IMAGES[3:4], "test_x": IMAGES[4:], "test_y": LABELS[4:]}
    path = _npz(tmp_path, **arrays)
    rows = array_rows(path)
    assert rows.names == ("test[0]", "test[1]")
    assert np.array_equal(rows.values, IMAGES[4:])
    assert rows.labels is not None
    assert rows.labels.tolist() == [0, 1]
    (note,) = rows.notes
    assert note == "data.npz comes in parts: test_x is read, train_x, val_x is not (--ignore-split reads all)."
    whole = array_rows(path, whole=True)
    assert (len(whole.names), whole.labels, whole.notes) == (6, None, ())
    assert np.array_equal(whole.values, IMAGES)


def test_rows_need_no_labels_and_of_a_single_array_no_name(tmp_path: Path) -> None:
    rows = array_rows(_npz(tmp_path, anything=IMAGES))
    assert (rows.names, rows.labels, rows.groups) == (tuple("012345"), None, None)
    np.save(tmp_path / "rows.npy", IMAGES)
    assert np.array_equal(array_rows(tmp_path / "rows.npy").values, IMAGES)
    with pytest.raises(DataError, match=r"has no array of samples .* It holds: a, b\."):
        array_rows(_npz(tmp_path, a=IMAGES, b=IMAGES))


@pytest.mark.parametrize("arrays", [{"x": np.float64(3)}, {"test_x": np.float64(3), "train_x": IMAGES}])
def test_a_number_is_no_rows(tmp_path: Path, arrays: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"data\.npz: (test_)?x is a single number\. Give images as \(N, H, W\)"):
        array_rows(_npz(tmp_path, **arrays))
