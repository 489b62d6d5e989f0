import pytest

from imbtk.data.splits import side_of, sides_of
from imbtk.errors import DataError


def test_sides_by_any_of_their_names() -> None:
    assert [side_of(name) for name in ("train", "Training", "val", "valid", "VALIDATION", "test", "benign")] == [
        0, 0, 1, 1, 1, 2, None,
    ]  # fmt: skip
    assert sides_of(["train", "val", "test", "train"], "x", list("abcd")).tolist() == [0, 1, 2, 0]


def test_other_values_are_refused() -> None:
    message = r"column 'fold': 2 of 3 rows are on no side of a split: '', '3', first in b\. Write train"
    with pytest.raises(DataError, match=message):
        sides_of(["train", 3, ""], "column 'fold'", list("abc"))
