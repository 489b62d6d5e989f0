"""Which arrays of a file are samples, labels and groups, and on which side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imbtk.data.array_files import Part, check_lengths, flat, joined, parts_of, read_npy, read_npz
from imbtk.errors import DataError

PATH = Path("data.npz")


def arrays(*names: str, rows: int = 2) -> dict[str, np.ndarray]:
    return {name: np.zeros((rows, 3)) for name in names}


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("x",), [Part("", "x", None, None)]),
        (("Labels", "IMAGES", "patient_ids"), [Part("", "IMAGES", "Labels", "patient_ids")]),
        (
            ("test_labels", "test_images", "train_images", "train_labels"),
            [Part("train", "train_images", "train_labels", None), Part("test", "test_images", "test_labels", None)],
        ),
        (("x_val", "y_val"), [Part("val", "x_val", "y_val", None)]),
        # A file that says sides is read by its sides, whatever else it holds.
        (("x", "y", "train_x", "test_x"), [Part("train", "train_x", None, None), Part("test", "test_x", None, None)]),
        (("y", "names"), []),
        ((), []),
    ],
)
def test_parts_by_the_names_of_arrays(names: tuple[str, ...], parts: list[Part]) -> None:
    assert parts_of(arrays(*names), PATH) == parts


def test_labels_of_samples_that_are_not_there_are_refused() -> None:
    with pytest.raises(DataError, match=r"data\.npz has val_y and no array of the samples .*, such as val_images\."):
        parts_of(arrays("train_x", "train_y", "val_y"), PATH)


def test_rows_are_called_by_their_side_or_their_number() -> None:
    assert Part("val", "val_x", None, None).rows(2) == ["val[0]", "val[1]"]
    assert Part("", "x", None, None).rows(2) == ["0", "1"]


def test_parts_go_one_behind_the_other_if_they_fit() -> None:
    given = {"a": np.zeros((2, 3)), "b": np.ones((1, 3)), "c": np.ones((1, 4)), "d": np.float64(1)}
    assert joined(given, ["a"]) is given["a"]
    assert joined(given, ["b", "a"])[:, 0].tolist() == [1, 0, 0]
    with pytest.raises(DataError, match=r"do not fit together: a \(2, 3\), c \(1, 4\)\. But for the first axis"):
        joined(given, ["a", "c"])
    with pytest.raises(DataError, match=r"do not fit together: d \(\), d \(\)"):
        joined(given, ["d", "d"])


def test_one_value_for_each_row_lies_flat() -> None:
    given = {"a": np.array([[1], [2]]), "b": np.array([3]), "c": np.zeros((2, 2))}
    column = flat({"a": given["a"]}, ["a"])
    assert column is not None
    assert column.tolist() == [1, 2]
    assert flat(given, ["a", None]) is None
    with pytest.raises(DataError, match=r"c has the shape \(2, 2\), where one value for each row is needed"):
        flat(given, ["c"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, r"x has 3 rows and y has 2\. One for each"),
        ({"x": np.zeros((3, 2)), "groups": np.zeros(4)}, r"x has 3 rows and groups has 4\."),
        ({"x": np.float64(1)}, r"x is a single number\. Give images as"),
        ({"train_x": np.zeros((3, 2)), "test_x": np.zeros((3, 4))}, r"images of different shapes, \(2,\), \(4,\)"),
    ],
)
def test_lengths_and_shapes_that_do_not_fit_are_refused(given: dict[str, np.ndarray], said: str) -> None:
    parts = parts_of(given, PATH)
    with pytest.raises(DataError, match=rf"^data\.npz: .*{said}"):
        check_lengths(given, parts, PATH)


def test_files_of_objects_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "o.npz", x=np.zeros(2), names=np.array(["a", None]))
    with pytest.raises(DataError, match=r"array 'names' holds Python objects, which could run code"):
        read_npz(tmp_path / "o.npz")
    np.save(tmp_path / "o.npy", np.array(["a", None]))
    with pytest.raises(DataError, match=r"cannot be read as an \.npy file of plain numbers"):
        read_npy(tmp_path / "o.npy")


def test_an_npy_is_mapped_and_holds_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6).reshape(3, 2))
    found = read_npy(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    assert found.tolist() == [[0, 1], [2, 3], [4, 5]]
    np.save(tmp_path / "b.npy", np.float64(1))
    with pytest.raises(DataError, match=r"b\.npy is a single number\. Give images as"):
        read_npy(tmp_path / "b.npy")
    np.savez(tmp_path / "c.npz", x=np.zeros(2))
    (tmp_path / "c.npz").rename(tmp_path / "c.npy")
    with pytest.raises(DataError, match=r"c\.npy holds several arrays, as an \.npz file does: call it so\."):
        read_npy(tmp_path / "c.npy")
    (tmp_path / "d.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"d\.npy cannot be read"):
        read_npy(tmp_path / "d.npy")
