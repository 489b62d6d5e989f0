"""A table of features as one matrix, encoded as was decided at training."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from imbtk.data.cells import Cells, rows_where
from imbtk.data.columns import fit_columns
from imbtk.data.dataset import Dataset
from imbtk.data.dates import EPOCH, read_dates, stamp_days
from imbtk.data.groups import GroupKeys, group_rows
from imbtk.data.labels import RowNames, check_classes, encode_labels
from imbtk.data.numbers import Notation, read_written
from imbtk.data.options import DataOptions
from imbtk.errors import DataError, did_you_mean
from imbtk.wording import listing

__all__ = ["Encoded", "dataset_from_table", "encode_rows", "encode_table", "feature_names", "unseen_values"]

_BOOLEANS = {"true": 1.0, "false": 0.0}


def feature_names(preprocessing: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the encoded columns: ``age``, ``sex=f``, ``sex=m``."""
    names: list[str] = []
    for column in preprocessing["columns"]:
        if column["type"] == "text":
            names += [f"{column['name']}={value}" for value in column["values"]]
        else:
            names.append(column["name"])
    return tuple(names)


@dataclass(frozen=True)
class _Fault:
    """Rows of a column that cannot be encoded: `what` is wrong with them, their `value`, and the `remedy`."""

    column: str
    what: str
    rows: np.ndarray
    index: pd.Index
    value: Callable[[int], str]
    remedy: str = ""

    def __str__(self) -> str:
        return f"column '{self.column}' {self.what} in {rows_where(self.rows, self.index, self.value)}.{self.remedy}"

    def at(self, place: int) -> str:
        """Return what is wrong with one row."""
        return f"column '{self.column}' {self.what} in row {self.index[place]} ({self.value(place)}).{self.remedy}"


@dataclass(frozen=True)
class Encoded:
    """Rows of a table as features.

    Attributes
    ----------
    x : Tensor of float32, shape (N, D)
        Rows with an error hold anything.
    errors : tuple of str or None, length N
        Why a row could not be encoded.
    """

    x: torch.Tensor
    errors: tuple[str | None, ...]


def encode_table(frame: pd.DataFrame, preprocessing: Mapping[str, Any]) -> torch.Tensor:
    """Return the features of a frame, (N, D) float32, encoded as `preprocessing` says; NaN is a missing value.

    Used for training data and, with what was saved, for new data: columns may stand in another order, others are
    ignored. A text that was not seen in training is none of the values: zero everywhere.

    Parameters
    ----------
    frame : DataFrame
    preprocessing : mapping
        Made by :func:`imbtk.data.columns.fit_columns`.

    Raises
    ------
    DataError
        If a column is missing, or a number or date is none, is infinite or too large.
    """
    x, faults = _encoded(frame, preprocessing)
    if faults:
        raise DataError(str(faults[0]))
    return x


def encode_rows(frame: pd.DataFrame, preprocessing: Mapping[str, Any]) -> Encoded:
    """Return the features of a frame as :func:`encode_table` does, and what is wrong with single rows.

    Raises
    ------
    DataError
        If a column is missing.
    """
    x, faults = _encoded(frame, preprocessing)
    errors: list[str | None] = [None] * len(frame)
    for fault in reversed(faults):
        for place in np.flatnonzero(fault.rows).tolist():
            errors[place] = fault.at(place)
    return Encoded(x, tuple(errors))


def _encoded(frame: pd.DataFrame, preprocessing: Mapping[str, Any]) -> tuple[torch.Tensor, list[_Fault]]:
    by_name = {str(column): column for column in frame.columns}
    absent = [column["name"] for column in preprocessing["columns"] if column["name"] not in by_name]
    if absent:
        hint = did_you_mean(absent[0], by_name) if len(absent) == 1 else ""
        raise DataError(f"the table has no column {listing([repr(name) for name in absent])}.{hint}")
    x = np.empty((len(frame), len(feature_names(preprocessing))), dtype=np.float32)
    faults: list[_Fault] = []
    start = 0
    for column in preprocessing["columns"]:
        values = frame[by_name[column["name"]]]
        if column["type"] == "text":
            width = len(column["values"])
            _one_hot(values, column["values"], x[:, start : start + width])
        else:
            width = 1
            numbers, fault = (_days if column["type"] == "date" else _numbers)(values, column)
            fault = fault or _too_large(numbers, values.index, column["name"])
            faults += [fault] if fault else []
            with np.errstate(over="ignore"):
                x[:, start] = numbers
        start += width
    return torch.from_numpy(x), faults


def _numbers(values: pd.Series, column: Mapping[str, Any]) -> tuple[np.ndarray, _Fault | None]:
    """Return one column of numbers, (N,) float64."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan), None
    if pd.api.types.is_datetime64_any_dtype(values):
        known = values.notna().to_numpy()
        what = "is a date, and was a number in training,"
        return np.full(len(values), np.nan), _Fault(
            column["name"], what, known, values.index, lambda place: str(values.iloc[place])
        ) if known.any() else None
    cells = Cells.of(values)
    notation = Notation.from_json(column)
    numbers, good = read_written(cells.present, notation)
    if column.get("boolean"):
        truths = np.array([_BOOLEANS.get(text.casefold(), np.nan) for text in cells.present], dtype=np.float64)
        numbers, good = np.where(good, numbers, truths), good | ~np.isnan(truths)
    fault = None
    if not good.all() and not column.get("words"):
        bad = cells.marked(~good)
        how = " with a decimal comma" * (notation.decimal == ",") + " in per cent" * notation.percent
        fault = _Fault(
            column["name"], f"is not a number{how}{how and ', as in training,'}", bad, cells.index, cells.text
        )
    return cells.taken(numbers), fault


def _days(values: pd.Series, column: Mapping[str, Any]) -> tuple[np.ndarray, _Fault | None]:
    """Return one column of dates as days since the first day of the training, (N,) float64."""
    since = (datetime.date.fromisoformat(column["since"]) - EPOCH).days
    if pd.api.types.is_datetime64_any_dtype(values):
        return stamp_days(values) - since, None
    cells = Cells.of(values)
    dates = read_dates(cells.present, column.get("order"))
    good, remedy = dates.good, ""
    if dates.order and "order" not in column:
        # In training no date had the day and the month in doubt.
        good = np.zeros_like(good)
        remedy = " In training dates were written as 2024-01-31, 31.01.2024 or 31 Jan 2024."
    bad = cells.marked(~good)
    fault = _Fault(column["name"], "is not a date", bad, cells.index, cells.text, remedy) if bad.any() else None
    return cells.taken(dates.days) - since, fault


def _too_large(numbers: np.ndarray, index: pd.Index, name: str) -> _Fault | None:
    bad = np.isinf(numbers) | (np.abs(numbers) > np.finfo(np.float32).max)
    if not bad.any():
        return None
    remedy = " Correct it; where the value is not known, leave the field empty or write NaN."
    what = "is infinite or too large for single precision"
    return _Fault(name, what, bad, index, lambda place: f"{numbers[place]:g}", remedy)


def _one_hot(values: pd.Series, known: Sequence[str], out: np.ndarray) -> None:
    """Write a column of 0 and 1 for each known value, (N, V), NaN where the text is missing."""
    cells = Cells.of(values)
    place = {value: number for number, value in enumerate(known)}
    columns = np.array([place.get(text, -1) for text in cells.texts], dtype=np.int64)[cells.codes]
    out[:] = 0.0
    seen = np.flatnonzero(columns >= 0)
    out[seen, columns[seen]] = 1.0
    out[cells.codes == 0] = np.nan


def unseen_values(frame: pd.DataFrame, preprocessing: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what must be said of categories and words that the training did not know, a sentence for each column.

    Parameters
    ----------
    frame : DataFrame
        New rows, with all columns of the training.
    preprocessing : mapping
    """
    by_name = {str(column): column for column in frame.columns}
    said = []
    for column in preprocessing["columns"]:
        if column["name"] not in by_name or not (column["type"] == "text" or column.get("words")):
            continue
        cells = Cells.of(frame[by_name[column["name"]]])
        if column["type"] == "text":
            known = set(column["values"])
            unseen = np.array([text not in known for text in cells.present], dtype=bool)
            what, taken = "which the training did not have", "counts as none of its values"
        else:
            unseen = ~read_written(cells.present, Notation.from_json(column))[1]
            what, taken = "which is no number", "counts as missing, as in training"
        rows = int(cells.marked(unseen).sum())
        if rows:
            words = [repr(text) for text, new in zip(cells.present, unseen, strict=True) if new]
            held = f"{rows:,} row holds" if rows == 1 else f"{rows:,} rows hold"
            said.append(f"column '{column['name']}': {held} {listing(words, 5)}, {what}: it {taken}.")
    return tuple(said)


def dataset_from_table(
    features: pd.DataFrame,
    labels: Sequence[object] | np.ndarray,
    *,
    name: str,
    where: str,
    keys: GroupKeys | None = None,
    given_split: torch.Tensor | None = None,
    description: Mapping[str, Any] | None = None,
    options: DataOptions | None = None,
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
    options : DataOptions, optional
        What the user says of columns.

    Raises
    ------
    DataError
        If features or labels are not as they should be.
    """
    row_names = tuple(str(index) for index in features.index)
    numbers, class_names = encode_labels(labels, where, RowNames(features.index))
    check_classes(numbers, class_names, where)
    preprocessing, notes = fit_columns(features, name, options)
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
