"""What a user has in hand as samples, the one way for training, estimators, loops of one's own and prediction.

Images become pixels in :mod:`imbtk.data.pixels`, table rows features in :mod:`imbtk.data.table`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from imbtk.data.frames import is_frame
from imbtk.data.pixels import pixels_of
from imbtk.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["encoded_rows", "plain_array", "sample_array", "samples_of", "table_frame"]


def plain_array(x: Any) -> np.ndarray:
    """Return an array of an array, a sequence, or a Tensor of any device and precision.

    Raises
    ------
    ValueError
        If rows differ in shape.
    """
    if isinstance(x, torch.Tensor):
        # NumPy has no bfloat16, and float32 holds each of its values.
        x = x.detach().cpu().float() if x.dtype == torch.bfloat16 else x.detach().cpu()
    return np.asarray(x)


def sample_array(x: Any, what: str) -> np.ndarray:
    """Return images, (N, H, W), (N, H, W, C) or (N, C, H, W), or table rows, (N, D), as an array.

    Parameters
    ----------
    x : array, Tensor or sequence
    what : str
        For messages.

    Raises
    ------
    DataError
        If rows differ in shape, or the shape is none of these.
    """
    try:
        values = plain_array(x)
    except ValueError:
        raise DataError(f"{what} is no array: its rows have different shapes. Give rows of one shape.") from None
    if values.ndim not in (2, 3, 4):
        raise DataError(
            f"{what} has the shape {values.shape}. Give images as (N, H, W), (N, H, W, C) or (N, C, H, W), or "
            "a table as (N, D)."
        )
    return values


def samples_of(x: Any, what: str, *, any_channels: bool = False) -> torch.Tensor:
    """Return samples: uint8 images, (N, C, H, W), or table rows, (N, D) float32, where NaN is a missing value.

    Parameters
    ----------
    x : array, Tensor or sequence
        As for :func:`sample_array`; a table if it has two axes.
    what : str
        For messages.
    any_channels : bool
        As for :func:`imbtk.data.pixels.pixels_of`.

    Raises
    ------
    DataError
        If it has none of these shapes, or values that cannot be pixels; with row and column, if one is no number,
        infinite or too large.
    """
    values = sample_array(x, what)
    if values.ndim != 2:
        return torch.from_numpy(pixels_of(values, what, any_channels=any_channels)[0])
    frame = table_frame(values, what)
    numbers = frame.to_numpy(np.float64)
    too_large = (np.abs(numbers) > np.finfo(np.float32).max).any()
    # Column by column a wide table takes long, and all that it adds is the words.
    return _encoded(frame) if too_large else torch.from_numpy(numbers.astype(np.float32))


def encoded_rows(x: Any, what: str, preprocessing: Mapping[str, Any], columns: Sequence[Any]) -> torch.Tensor:
    """Return new table rows as the training encoded its own, (N, D) float32.

    Parameters
    ----------
    x : array or DataFrame
    what : str
        For messages.
    preprocessing : mapping
        From :func:`imbtk.data.columns.fit_columns`.
    columns : sequence
        Names of the columns of an array.

    Raises
    ------
    DataError
        If there are other columns, or a value cannot be read as in training.

    Warns
    -----
    UserWarning
        To whoever called four functions above: of values that the training did not have.
    """
    from imbtk.data.table import encode_table, unseen_values

    frame = table_frame(x, what, columns)
    for text in unseen_values(frame, preprocessing):
        warnings.warn(text, stacklevel=5)
    return encode_table(frame, preprocessing)


def table_frame(
    x: Any, what: str, columns: Sequence[Any] | None = None, row_names: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return table rows as a frame, which a frame is.

    Parameters
    ----------
    x : DataFrame or array, shape (N, D)
    what : str
        For messages.
    columns : sequence, length D, optional
        Names of the columns that a model was trained on, which knows how texts are read. Without them all columns of
        an array must be numbers, and are called ``x0``, ``x1``, ….
    row_names : sequence of str, length N, optional
        What rows of an array are called; their numbers unless given.

    Raises
    ------
    DataError
        If there are more or fewer columns, or a value is no number where it must be.
    """
    import pandas as pd

    if is_frame(x):
        return x
    values = plain_array(x)
    names = [f"x{column}" for column in range(values.shape[-1])] if columns is None else list(columns)
    if values.shape[1:] != (len(names),):
        raise DataError(
            f"{what} has the shape {values.shape}; this model takes (N, {len(names)}), one column a feature."
        )
    if columns is None and values.dtype.kind not in "fiub":
        values = _numbers(values, pd.DataFrame(values, columns=names), what)
    return pd.DataFrame(values, columns=names, index=None if row_names is None else pd.Index(list(row_names)))


def _numbers(values: np.ndarray, frame: pd.DataFrame, what: str) -> np.ndarray:
    """Return objects or texts, given as an array and as a frame, as numbers, (N, D)."""
    with suppress(TypeError, ValueError):
        return values.astype(np.float64)
    try:
        # Slower, but it takes an empty text as missing, as prediction does, and says which row holds no number.
        return _encoded(frame).numpy()
    except DataError as error:
        raise DataError(f"{what}: {error} Give numbers, or a DataFrame: its columns of text are encoded.") from None


def _encoded(frame: pd.DataFrame) -> torch.Tensor:
    from imbtk.data.table import encode_table

    return encode_table(frame, {"columns": [{"name": name, "type": "number"} for name in frame.columns]})
