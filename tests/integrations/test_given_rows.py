"""Labels, groups and samples that a user has in hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import imbtk
from imbtk.errors import DataError, OptionError
from imbtk.integrations.given_rows import class_numbers, given_dataset


@pytest.mark.parametrize(
    "labels",
    [[3, 7, 7], np.array([3, 7, 7]), torch.tensor([3, 7, 7]), pd.Series([3, 7, 7], index=[9, 8, 7]), [3.0, 7.0, 7.0]],
)
def test_labels_of_any_type(labels: Any) -> None:
    numbers, names = class_numbers(labels, None)
    assert (numbers.tolist(), names) == ([0, 1, 1], ("3", "7"))


def test_class_names_may_have_no_row() -> None:
    assert class_numbers(["b", "b"], ["a", "b"])[0].tolist() == [1, 1]
    assert class_numbers(np.array([0, 2]), ["a", "b", "c"])[0].tolist() == [0, 2]
    composition = imbtk.compose(["class-weights"], labels=["b", "b", "c"], class_names=["a", "b", "c"])
    assert composition.class_weights.tolist() == [0.0, 0.75, 1.5]


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (np.eye(3), None, r"labels have the shape \(3, 3\)\. Give one class for each training row"),
        ([], None, r"labels have the shape \(0,\)"),
        (["a", "a"], None, "labels hold one class, 'a'"),
        (["a", None], None, r"labels: no label .* row 1"),
        (["a", "x"], ["a", "b"], r"labels hold 'x', not in class_names\. There is: a, b\."),
        ([0, 2], ["a", "b"], "row 1 has class 2, and class_names has 2 names, which stand for the classes 0 to 1"),
    ],
)
def test_labels_that_cannot_be(labels: Any, names: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        class_numbers(labels, names)


def given(**changed: Any) -> Any:
    arguments = {"groups": None, "x": None, "kind": None, "sample_shape": None, "domain": "photo", **changed}
    return given_dataset(torch.tensor([0, 1]), ("a", "b"), *arguments.values())


def test_kind_and_shape_come_from_the_samples() -> None:
    assert (given(x=np.zeros((2, 4))).kind, given(x=np.zeros((2, 4))).sample_shape) == ("table", (4,))
    images = given(x=np.full((2, 3, 5, 5), 0.5))
    assert (images.kind, images.domain, images.x.dtype, int(images.x.max())) == ("images", "photo", torch.uint8, 128)
    assert given(x=np.zeros((2, 5, 5))).sample_shape == (1, 5, 5)
    assert given(sample_shape=(7,)).kind == "table"
    assert given(kind="table").domain == "table"
    assert given(groups=["p2", "p1"]).groups.tolist() == [1, 0]


def test_images_of_a_loop_keep_all_their_channels() -> None:
    """The network is the loop's own, which may know transparency, or more than three colours."""
    for shape in ((2, 4, 7, 7), (2, 5, 7, 7), (2, 3, 3, 3)):
        assert given(x=np.zeros(shape)).sample_shape == shape[1:]
    assert given(x=np.zeros((2, 7, 7, 3))).sample_shape == (3, 7, 7)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"kind": "video"}, OptionError, r"option 'kind' \(given: 'video'\): write images or table"),
        ({"x": np.zeros((3, 4))}, DataError, "x has 3 rows and labels have 2"),
        ({"x": np.zeros((2, 4)), "kind": "images"}, DataError, r"shape \(4,\); with kind=images it is \(C, H, W\)"),
        ({"x": np.zeros((2, 5, 5)), "kind": "table"}, DataError, r"shape \(5, 5\); with kind=table it is \(D,\)"),
        ({"sample_shape": (5, 5)}, DataError, r"shape \(5, 5\); with kind=images it is \(C, H, W\)"),
        ({"groups": [1]}, DataError, r"groups have the shape \(1,\) and there are 2 rows"),
    ],
)
def test_what_does_not_fit_together(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        given(**changed)
