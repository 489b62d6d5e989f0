import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk.data.groups import GroupKeys, group_rows, keys_from_breakhis, keys_from_column, keys_from_pattern
from imbtk.errors import DataError


def _digests(contents: list[int]) -> np.ndarray:
    return np.array([[content] * 16 for content in contents], dtype=np.uint8)


def _rows(n: int) -> list[str]:
    return [f"{i}.png" for i in range(n)]


LABELS = torch.tensor([0, 0, 1, 1])


def test_without_groups_and_duplicates_nothing_is_known() -> None:
    grouping = group_rows(None, _digests([1, 2, 3, 4]), LABELS, ("a", "b"), _rows(4))
    assert grouping.groups is None
    assert grouping.facts() == {"groups_known": False, "groups_from": "", "identical_images": 0}
    assert grouping.notes() == ()


def test_identical_images_are_a_group_without_making_groups_known() -> None:
    grouping = group_rows(None, _digests([5, 2, 3, 3]), LABELS, ("a", "b"), _rows(4))
    assert grouping.groups is not None
    assert grouping.groups.tolist() == [0, 1, 2, 2]
    assert grouping.names == ("0.png", "1.png", "2.png")
    assert not grouping.known
    assert grouping.notes() == ("1 image is identical to another and kept on the same side of the split as that one.",)


def test_identical_images_of_two_patients_join_them() -> None:
    keys = GroupKeys(("p", "q", "r", "r"), "a column")
    grouping = group_rows(keys, _digests([1, 1, 3, 4]), LABELS, ("a", "b"), _rows(4))
    assert grouping.groups is not None
    assert grouping.groups.tolist() == [0, 0, 1, 1]
    assert grouping.names == ("p + q", "r")
    assert grouping.known
    assert grouping.origin == "a column"


def test_identical_images_with_two_labels_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"different labels, 1 time: 1\.png \(a\) = 2\.png \(b\)\. One of the labels"):
        group_rows(None, _digests([1, 7, 7, 4]), LABELS, ("a", "b"), _rows(4))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), min_size=1, max_size=30))
def test_no_key_and_no_content_is_ever_torn(rows: list[tuple[int, int]]) -> None:
    keys = GroupKeys(tuple(str(key) for key, _ in rows), "keys")
    labels = torch.zeros(len(rows), dtype=torch.int64)
    grouping = group_rows(keys, _digests([content for _, content in rows]), labels, ("a",), _rows(len(rows)))
    assert grouping.groups is not None
    groups = grouping.groups.tolist()
    for place in (0, 1):
        for value in {row[place] for row in rows}:
            assert len({group for group, row in zip(groups, rows, strict=True) if row[place] == value}) == 1
    # The finest such partition: joining rows by hand until nothing changes gives the same number of parts.
    parts = [{i} for i in range(len(rows))]
    for i, first in enumerate(rows):
        for j, second in enumerate(rows):
            if first[0] == second[0] or first[1] == second[1]:
                a, b = (next(part for part in parts if k in part) for k in (i, j))
                if a is not b:
                    parts.remove(b)
                    a |= b
    assert len(set(groups)) == len(parts) == len(grouping.names)
    assert sorted(set(groups)) == list(range(len(parts)))


def test_keys_from_a_column() -> None:
    assert keys_from_column([1.0, "b ", 3], "column 'p'", _rows(3)).keys == ("1", "b", "3")
    with pytest.raises(DataError, match=r"column 'p': no group \(empty or NaN\) for 1 of 2 rows: 1\.png\. Fill"):
        keys_from_column(["a", float("nan")], "column 'p'", _rows(2))


def test_keys_from_a_pattern() -> None:
    paths = ["a/p1_x.png", "b/p2_y.png"]
    assert keys_from_pattern(r"(p\d)_", paths).keys == ("p1", "p2")
    assert keys_from_pattern(r"(\w)/(?P<group>p\d)", paths).keys == ("p1", "p2")
    with pytest.raises(DataError, match=r"--group-pattern '\(p1\)' finds no group in 1 of 2 paths: b/p2_y\.png"):
        keys_from_pattern("(p1)", paths)


def test_keys_from_breakhis_names() -> None:
    paths = ["SOB_B_A-14-22549AB-40-001.png", "SOB_B_A-14-22549CD-40-001.png"]
    assert keys_from_breakhis(paths).keys == ("22549", "22549")
    with pytest.raises(DataError, match=r"--groups breakhis: 1 of 3 files have no BreakHis name .*: cat\.png\. Rename"):
        keys_from_breakhis([*paths, "cat.png"])
