"""Arrays as samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imbtk.data.array_samples import encoded_rows, plain_array, sample_array, samples_of, table_frame
from imbtk.errors import DataError

NUMBERS = {"columns": [{"name": "a", "type": "number"}, {"name": "b", "type": "text", "values": ["u", "v"]}]}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tensors_of_any_precision(dtype: torch.dtype) -> None:
    given = torch.tensor([[0.5, 2.0]], dtype=dtype, requires_grad=True)
    assert plain_array(given).tolist() == [[0.5, 2.0]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 2], [3]], "^x is no array: its rows have different shapes"),
        (np.zeros(3), r"^x has the shape \(3,\)\. Give images as \(N, H, W\), .* or a table as \(N, D\)"),
        (np.zeros((1, 1, 1, 1, 1)), r"^x has the shape \(1, 1, 1, 1, 1\)\. Give images"),
    ],
)
def test_shapes_of_neither_images_nor_tables(x: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sample_array(x, "x")


@pytest.mark.parametrize(
    "x",
    [
        [[1, None], [2.5, 0]],
        np.array([["1", ""], ["2.5", "0"]]),
        np.array([["1", "NA"], [2.5, 0]], dtype=object),
        np.array([[1, np.nan], [2.5, 0]], dtype=np.longdouble),
        torch.tensor([[1, float("nan")], [2.5, 0]]),
    ],
)
def test_numbers_written_in_any_way_with_gaps(x: Any) -> None:
    samples = samples_of(x, "x")
    assert samples.dtype == torch.float32
    np.testing.assert_array_equal(samples.numpy(), np.array([[1, np.nan], [2.5, 0]]))


def test_numbers_are_rounded_once() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)) * 10.0 ** np.arange(-30, 30, 20)
    np.testing.assert_array_equal(samples_of(x, "x").numpy(), x.astype(np.float32))
    np.testing.assert_array_equal(samples_of(x > 0, "x").numpy(), (x > 0).astype(np.float32))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.inf, r"^column 'x1' is infinite or too large .* in row 2 \(inf\)\. Correct it; .* or write NaN\.$"),
        (-1e39, r"^column 'x1' is infinite or too large for single precision in row 2 \(-1e\+39\)"),
        ("a", r"^x: column 'x1' is not a number in row 2 \('a'\)\. Give numbers, or a DataFrame: its columns of text"),
    ],
)
def test_what_is_no_number_is_named_by_row_and_column(value: Any, message: str) -> None:
    x = np.zeros((4, 3), dtype=object)
    x[2, 1] = value
    with pytest.raises(DataError, match=message):
        samples_of(x, "x")


def test_read_only_images_are_copied_and_others_shared() -> None:
    pixels = np.zeros((2, 1, 5, 5), dtype=np.uint8)
    assert np.shares_memory(samples_of(pixels, "x").numpy(), pixels)
    pixels.flags.writeable = False
    assert not np.shares_memory(samples_of(pixels, "x").numpy(), pixels)


def test_new_rows_follow_the_training() -> None:
    x = np.array([[5, "v"], [6, "w"]], dtype=object)
    with pytest.warns(UserWarning, match="column 'b': 1 row holds 'w', which the training did not have"):
        rows = encoded_rows(x, "x", NUMBERS, ["a", "b"])
    assert rows.tolist() == [[5, 0, 1], [6, 0, 0]]
    assert encoded_rows(pd.DataFrame({"b": ["u"], "a": [7]}), "x", NUMBERS, ["a", "b"]).tolist() == [[7, 1, 0]]
    with pytest.raises(DataError, match=r"x has the shape \(2, 2\); this model takes \(N, 3\), one column a feature"):
        table_frame(x, "x", ["a", "b", "c"])
    with pytest.raises(DataError, match=r"x has the shape \(2,\); this model takes \(N, 2\)"):
        table_frame(x[0], "x", ["a", "b"])
