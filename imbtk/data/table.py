"""A table of features: which columns are numbers, which are texts, and how both become one matrix."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from imbtk.data.dataset import Dataset
from imbtk.data.groups import GroupKeys, group_rows
from imbtk.data.labels import check_classes, encode_labels, listing, text_of
from imbtk.errors import DataError, did_you_mean

__all__ = ["dataset_from_table", "encode_table", "fit_columns"]

MOST_TEXTS = 100
"""A column of more different texts is no feature but an id, a date or prose."""

_MISSING_TEXTS = {"", "na", "n/a", "nan", "null", "none", "#n/a", "?"}


def fit_columns(frame: pd.DataFrame, where: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return how the columns of a frame become numbers, as plain values, and what people must be told of it.

    Parameters
    ----------
    frame : DataFrame
        Features only.
    where : str
        What the table is, for messages.

    Returns
    -------
    preprocessing : dict
        ``{"kind": "table", "columns": [{"name": "age", "type": "number"},
        {"name": "sex", "type": "text", "values": ["f", "m"]}]}``, for :func:`encode_table`.
    notes : tuple of str

    Raises
    ------
    DataError
        If a column is neither numbers nor a few texts, or there is none.
    """
    columns: list[dict[str, Any]] = []
    dropped, texts = [], []
    for place, name in enumerate(frame.columns):
        values = frame[name]
        if _is_empty(values) or _is_row_number(str(name), values, place):
            dropped.append(repr(str(name)))
            continue
        kind = _column_type(str(name), values, where)
        columns.append(kind)
        if kind["type"] == "text":
            texts.append(f"'{name}' ({len(kind['values'])} values)")
    if not columns:
        raise DataError(f"{where} has no column of features beside labels and groups.")
    notes = []
    if texts:
        notes.append(f"Columns of text became one column of 0 and 1 for each value: {listing(texts)}.")
    if dropped:
        notes.append(f"Left out because they are empty or count the rows: {listing(dropped)}.")
    return {"kind": "table", "columns": columns}, tuple(notes)


def _is_empty(values: pd.Series) -> bool:
    return bool(values.isna().all()) or (
        not pd.api.types.is_numeric_dtype(values) and set(_texts(values)) <= _MISSING_TEXTS
    )


def _is_row_number(name: str, values: pd.Series, place: int) -> bool:
    """Return whether a first column without a name counts rows, as pandas writes it."""
    if place or not (name == "" or name.startswith("Unnamed:")):
        return False
    numbers = pd.to_numeric(values, errors="coerce")
    return bool(numbers.notna().all() and (numbers.diff().iloc[1:] > 0).all() and (numbers % 1 == 0).all())


def _texts(values: pd.Series) -> list[str]:
    """Return stripped texts, the missing ones empty."""
    texts = ["" if missing else text_of(value).strip() for value, missing in zip(values, values.isna(), strict=True)]
    return ["" if text.casefold() in _MISSING_TEXTS else text for text in texts]


def _column_type(name: str, values: pd.Series, where: str) -> dict[str, Any]:
    if pd.api.types.is_numeric_dtype(values):
        return {"name": name, "type": "number"}
    texts = _texts(values)
    present = [text for text in texts if text]
    odd = [place for place, text in enumerate(texts) if text and not _is_number(text)]
    if not odd:
        return {"name": name, "type": "number"}
    if 2 * len(odd) < len(present):
        rows = [f"row {values.index[place]} ({texts[place]!r})" for place in odd]
        raise DataError(
            f"column '{name}' of {where} holds numbers, but not in {listing(rows, 5)}. Write numbers with a point, and "
            "leave the field empty where one is missing."
        )
    distinct = sorted(set(present))
    if len(distinct) > MOST_TEXTS:
        raise DataError(
            f"column '{name}' of {where} holds {len(distinct)} different texts "
            f"({listing([repr(text) for text in distinct], 3)}): at most {MOST_TEXTS} can become features. Take the "
            "column out, or turn it into numbers or fewer values."
        )
    return {"name": name, "type": "text", "values": distinct}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def feature_names(preprocessing: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the encoded columns: ``age``, ``sex=f``, ``sex=m``."""
    names: list[str] = []
    for column in preprocessing["columns"]:
        if column["type"] == "number":
            names.append(column["name"])
        else:
            names += [f"{column['name']}={value}" for value in column["values"]]
    return tuple(names)


def encode_table(frame: pd.DataFrame, preprocessing: Mapping[str, Any]) -> torch.Tensor:
    """Return the features of a frame, (N, D) float32, encoded as `preprocessing` says; NaN is a missing value.

    Used for training data and, with what was saved, for new data: columns may stand in another order, others are
    ignored. A text that was not seen in training is none of the values: zero everywhere.

    Parameters
    ----------
    frame : DataFrame
    preprocessing : mapping
        Made by :func:`fit_columns`.

    Raises
    ------
    DataError
        If a column is missing, or a number is none, is infinite or too large.
    """
    by_name = {str(column): column for column in frame.columns}
    absent = [column["name"] for column in preprocessing["columns"] if column["name"] not in by_name]
    if absent:
        hint = did_you_mean(absent[0], by_name) if len(absent) == 1 else ""
        raise DataError(f"the table has no column {listing([repr(name) for name in absent])}.{hint}")
    parts = []
    for column in preprocessing["columns"]:
        values = frame[by_name[column["name"]]]
        numeric = column["type"] == "number"
        parts.append(_numbers(values, column["name"]) if numeric else _one_hot(values, column["values"]))
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(parts, axis=1)))


def _numbers(values: pd.Series, name: str) -> np.ndarray:
    """Return one column, (N, 1) float32."""
    if not pd.api.types.is_numeric_dtype(values):
        texts = _texts(values)
        odd = [place for place, text in enumerate(texts) if text and not _is_number(text)]
        if odd:
            rows = [f"row {values.index[place]} ({texts[place]!r})" for place in odd]
            raise DataError(f"column '{name}' is not a number in {listing(rows, 5)}.")
        numbers = np.array([float(text) if text else np.nan for text in texts])
    else:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(np.isinf(numbers) | (np.abs(numbers) > np.finfo(np.float32).max)).tolist()
    if bad:
        rows = [f"row {values.index[place]} ({numbers[place]:g})" for place in bad]
        raise DataError(
            f"column '{name}' is infinite or too large for single precision in {listing(rows, 5)}. Correct it, or "
            "leave the field empty where the value is not known."
        )
    column: np.ndarray = numbers[:, None].astype(np.float32)
    return column


def _one_hot(values: pd.Series, known: Sequence[str]) -> np.ndarray:
    """Return a column for each known value, (N, V) float32, NaN where the text is missing."""
    texts = np.array(_texts(values), dtype=object)
    coded: np.ndarray = (texts[:, None] == np.array(list(known), dtype=object)[None, :]).astype(np.float32)
    coded[texts == ""] = np.nan
    return coded


def dataset_from_table(
    features: pd.DataFrame,
    labels: Sequence[object] | np.ndarray,
    *,
    name: str,
    where: str,
    keys: GroupKeys | None = None,
    given_split: torch.Tensor | None = None,
    description: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return the data set of a table.

    Parameters
    ----------
    features : DataFrame, N rows
        Its index names rows.
    labels : sequence or ndarray, shape (N,)
    name, where : str
        What the table, and its labels, are called.
    keys : GroupKeys, optional
    given_split : Tensor of int64, shape (N,), optional
    description : mapping, optional

    Raises
    ------
    DataError
        If features or labels are not as they should be.
    """
    row_names = tuple(str(index) for index in features.index)
    numbers, class_names = encode_labels(labels, where, [f"row {row}" for row in row_names])
    check_classes(numbers, class_names, where)
    preprocessing, notes = fit_columns(features, name)
    x = encode_table(features, preprocessing)
    grouping = group_rows(keys, None, numbers, class_names, row_names)
    digest = hashlib.sha256(x.numpy().tobytes() + numbers.numpy().tobytes() + repr(class_names).encode())
    return Dataset(
        name=name,
        kind="table",
        x=x,
        labels=numbers,
        class_names=class_names,
        groups=grouping.groups,
        group_names=grouping.names,
        given_split=given_split,
        row_names=row_names,
        domain="table",
        feature_names=feature_names(preprocessing),
        preprocessing=preprocessing,
        notes=notes,
        description={"source": "table", **(description or {}), "digest": digest.hexdigest(), **grouping.facts()},
    )
