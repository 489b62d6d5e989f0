import numpy as np
import pandas as pd
import pytest
import torch

from imbtk.data.labels import check_classes, encode_labels
from imbtk.errors import DataError
from imbtk.wording import listing


def _names(n: int) -> list[str]:
    return [f"row {i}" for i in range(n)]


@pytest.mark.parametrize(
    ("values", "numbers", "names"),
    [
        (np.array([10, 9, 10]), [1, 0, 1], ("9", "10")),
        (np.array([3, 3, 200], dtype=np.uint8), [0, 0, 1], ("3", "200")),
        (["10", "9", "-1"], [2, 1, 0], ("-1", "9", "10")),
        ([1.0, 0.0, 1.0], [1, 0, 1], ("0", "1")),
        (["1.0", "0.0", "2"], [1, 0, 2], ("0", "1", "2")),
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        ([True, False], [1, 0], ("False", "True")),
        (np.array([b"b", b"a"]), [1, 0], ("a", "b")),
        (["a/b", "c\nd", "<script>alert(1)</script>"], [1, 2, 0], ("<script>alert(1)</script>", "a/b", "c\nd")),
    ],
)
def test_labels_become_numbers(values: object, numbers: list[int], names: tuple[str, ...]) -> None:
    labels, class_names = encode_labels(values, "labels", _names(len(numbers)))
    assert labels.dtype == torch.int64
    assert (labels.tolist(), class_names) == (numbers, names)


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), "", " ", "NaN", pd.NA, pd.NaT])
def test_missing_labels_are_refused_with_their_rows(missing: object) -> None:
    with pytest.raises(DataError, match=r"labels of x: no label \(empty or NaN\) for 2 of 4 rows: row 1, row 3\. Fill"):
        encode_labels(["a", missing, "b", missing], "labels of x", _names(4))


@pytest.mark.parametrize("values", [[0.5, 1.0, 2.0], ["0.5", "1", "2"], np.array([0.5, 1, 2])])
def test_fractions_are_no_classes(values: object) -> None:
    with pytest.raises(
        DataError, match=r"labels are numbers with a fraction.*row 0 \(0\.5\)\. Give another label column"
    ):
        encode_labels(values, "labels", _names(3))


@pytest.mark.parametrize("pair", [("Benign", "benign"), ("benign ", "benign"), ("in situ", "in  situ")])
def test_names_alike_but_for_case_or_spaces_are_refused(pair: tuple[str, str]) -> None:
    first, second = sorted(pair)
    message = rf"the class names '{first}' \(1 rows\) and '{second}' \(2 rows\) are alike but for case or spaces"
    with pytest.raises(DataError, match=message):
        encode_labels([first, second, "other", second], "labels", _names(4))


def test_class_checks() -> None:
    with pytest.raises(DataError, match="x: there is no row"):
        check_classes(torch.empty(0, dtype=torch.int64), (), "x")
    with pytest.raises(DataError, match=r"x: there is a single class, 'a'\. A classifier needs at least two"):
        check_classes(torch.zeros(3, dtype=torch.int64), ("a",), "x")
    with pytest.raises(DataError, match=r"class 'b' has one sample, 'c' has no sample\. A class needs two samples"):
        check_classes(torch.tensor([0, 0, 1]), ("a", "b", "c"), "x")
    check_classes(torch.tensor([0, 0, 1, 1]), ("a", "b"), "x")


def test_a_listing_stops_somewhere() -> None:
    assert listing([1, 2, 3], 3) == "1, 2, 3"
    assert listing(list(range(25)), 2) == "0, 1 and 23 more"
