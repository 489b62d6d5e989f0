"""A CSV file or DataFrame: reading it, finding its columns, filtering its rows."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from imbtk.data.labels import is_missing, listing, text_of
from imbtk.data.options import parse_where
from imbtk.data.splits import side_of
from imbtk.errors import DataError, did_you_mean

__all__ = [
    "GROUP_NAMES",
    "LABEL_NAMES",
    "PATH_NAMES",
    "column_named",
    "filter_rows",
    "find_column",
    "is_file",
    "label_column",
    "read_csv",
    "split_column",
]

LABEL_NAMES = ("label", "target", "class", "y", "diagnosis")
PATH_NAMES = ("file", "path", "image", "filename", "filepath")
GROUP_NAMES = ("patient", "patient_id", "group", "subject", "subject_id")
SPLIT_NAMES = ("split",)


def is_file(data: str | Path, *suffixes: str) -> bool:
    """Return whether a path is a file that ends like one of `suffixes`."""
    path = Path(data).expanduser()
    return path.suffix.casefold() in suffixes and path.is_file()


def read_csv(path: Path) -> pd.DataFrame:
    """Return a CSV file as texts, rows counted from 1, a byte-order mark taken away.

    Separated by commas, or by semicolons or tabs if the header has no comma.

    Raises
    ------
    DataError
        If the file is empty, is no UTF-8, has two columns of one name, or lines of different length.
    """
    try:
        header, first, separator = _read_header(path)
        _check_header(header, first, path)
        frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8: save it as UTF-8.") from None
    except (csv.Error, pd.errors.ParserError) as error:
        reason = str(error).strip()
        raise DataError(f"{path} is no table: {reason}. Every line needs as many fields as the first.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    # Lines that are too short are filled up with NaN, which no text of the file can be.
    short = frame.index[frame.isna().any(axis=1)].tolist()
    if short:
        raise DataError(
            f"{path}: too few fields in row {listing(short)}. Every line needs as many fields as the first."
        )
    return frame


def _read_header(path: Path) -> tuple[list[str], list[str], str]:
    """Return the first two lines and what separates their fields."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        if not first.strip():
            raise DataError(f"{path} is empty: a CSV file needs a line of column names and rows below it.")
        separator = next((mark for mark in ",;\t" if mark in first), ",")
        file.seek(0)
        lines = (line for line in csv.reader(file, delimiter=separator) if line)
        return next(lines), next(lines, []), separator


def _check_header(header: list[str], first: list[str], path: Path) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise DataError(f"{path}: {listing([repr(name) for name in twice])} stands twice in the line of column names.")
    if not first:
        raise DataError(f"{path} has column names but no row.")
    if len(first) > len(header):
        raise DataError(f"{path} is no table: {len(header)} column names, but {len(first)} fields in row 1.")


def find_column(frame: pd.DataFrame, names: Sequence[str]) -> Any | None:
    """Return the first column whose name is one of `names`, whatever its case, None if there is none."""
    by_name: dict[str, Any] = {}
    for column in frame.columns:
        by_name.setdefault(str(column).strip().casefold(), column)
    return next((by_name[name] for name in names if name in by_name), None)


def column_named(frame: pd.DataFrame, name: str, option: str, where: str) -> Any:
    """Return the column that the user named.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    by_name = {str(column): column for column in frame.columns}
    if name not in by_name:
        raise DataError(f"{where} has no column '{name}' ({option}).{did_you_mean(name, by_name)}")
    return by_name[name]


def label_column(frame: pd.DataFrame, named: str | None, where: str) -> Any:
    """Return the column of labels: the one named, else the one with a telling name.

    Raises
    ------
    DataError
        If there is none.
    """
    if named is not None:
        return column_named(frame, named, "--label-column", where)
    column = find_column(frame, LABEL_NAMES)
    if column is None:
        raise DataError(
            f"{where} has no column named {', '.join(LABEL_NAMES[:-1])} or {LABEL_NAMES[-1]}. Say which column "
            f"holds the class with --label-column; there is: {listing([str(c) for c in frame.columns])}."
        )
    return column


def split_column(frame: pd.DataFrame, named: str | None, where: str) -> Any | None:
    """Return the column of a given split: the one named, else ``split`` if it holds nothing but sides of a split."""
    if named is not None:
        return column_named(frame, named, "--split-column", where)
    column = find_column(frame, SPLIT_NAMES)
    if column is None:
        return None
    sides = all(not is_missing(value) and side_of(text_of(value)) is not None for value in frame[column].unique())
    return column if sides else None


def filter_rows(frame: pd.DataFrame, where: Sequence[str], name: str) -> pd.DataFrame:
    """Return the rows that every filter ``column=value`` keeps; values of one column are alternatives.

    Raises
    ------
    DataError
        If there is no such column, or no row is left.
    """
    wanted: dict[str, list[str]] = {}
    for text in where:
        column, value = parse_where(text)
        wanted.setdefault(column, []).append(value)
    for text, values in wanted.items():
        column = column_named(frame, text, "--where", name)
        texts = frame[column].map(lambda value: text_of(value).strip())
        kept = frame[texts.isin(values)]
        if not len(kept):
            found = listing([repr(value) for value in sorted(set(texts))], 10)
            raise DataError(f"--where {text}={' or '.join(values)} leaves no row of {name}: the column holds {found}.")
        frame = kept
    return frame
