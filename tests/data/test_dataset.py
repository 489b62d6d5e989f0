"""What a data set says of itself."""

from __future__ import annotations

import dataclasses

import torch

from imbtk.data.dataset import Dataset

DATA = Dataset(
    "made up", "images", torch.zeros(5, 3, 4, 6, dtype=torch.uint8), torch.tensor([0, 2, 2, 0, 2]), ("a", "b", "c")
)


def test_counts_have_a_place_for_a_class_without_rows() -> None:
    assert len(DATA) == 5
    assert DATA.num_classes == 3
    assert DATA.sample_shape == (3, 4, 6)
    assert DATA.class_counts.tolist() == [2, 0, 3]


def test_groups_are_known_only_where_more_than_the_content_says_so() -> None:
    rows = torch.tensor([4, 0])
    assert DATA.known_groups(rows) is None
    grouped = dataclasses.replace(DATA, groups=torch.tensor([7, 7, 8, 9, 9]))
    found = grouped.known_groups(rows)
    assert found is not None
    assert found.tolist() == [9, 7]
    # Identical images are kept on one side, and tell nothing of who they come from.
    assert dataclasses.replace(grouped, description={"groups_known": False}).known_groups(rows) is None
