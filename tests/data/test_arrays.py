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
        (
            (np.array([["a", "b"]] * 6), LABELS),
            r"x of arrays: column 'x0' is not a number in row 0 \('a'\).* Give numbers, or a DataFrame",
        ),
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
