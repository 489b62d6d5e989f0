"""A CSV file or DataFrame: reading it, finding its columns, filtering its rows."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from imbtk.data.group_rule import column_of
from imbtk.data.labels import is_missing, text_of
from imbtk.data.options import DataOptions, parse_where
from imbtk.data.splits import side_of
from imbtk.errors import DataError, OptionError, did_you_mean
from imbtk.wording import listing

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GROUP_NAMES",
    "LABEL_NAMES",
    "PATH_NAMES",
    "column_named",
    "filter_rows",
    "find_column",
    "group_label_column",
    "is_column",
    "is_file",
    "is_frame",
    "label_column",
    "named_columns",
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

    Separated by what cuts the line of column names in most fields: commas, semicolons or tabs.

    Raises
    ------
    DataError
        If the file is empty, is no UTF-8, has two columns of one name, or lines of different length.
    """
    try:
        header, columns, odd = _read_columns(path)
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8: save it as UTF-8.") from None
    except csv.Error as error:
        raise DataError(
            f"{path} is no table: {error}. Fields with quotes need them at both ends, doubled within."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise DataError(f"{path}: {listing([repr(name) for name in twice])} stands twice in the line of column names.")
    if odd:
        raise DataError(
            f"{path}: every row needs {len(header)} fields, as many as there are column names, but not so in: "
            f"{listing(odd)}. A field that holds the separator needs quotes."
        )
    if not len(columns[0]):
        raise DataError(f"{path} has column names but no row.")
    import pandas as pd

    index = pd.RangeIndex(1, len(columns[0]) + 1)
    # A column without a name gets the one that pandas gives it; twice the same is no key, so the names come last.
    frame = pd.DataFrame({place: pd.Series(column, index, dtype=str) for place, column in enumerate(columns)})
    frame.columns = pd.Index([name or f"Unnamed: {place}" for place, name in enumerate(header)])
    return frame


_LINES = 50_000
"""Lines that are turned into columns together: the lists of all lines would take more memory than their texts."""


def _read_columns(path: Path) -> tuple[list[str], list[np.ndarray], list[str]]:
    """Return column names, texts of each column, and the rows with too few or too many fields; blank lines are none."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        separator = _separator(file.readline())
        file.seek(0)
        lines = filter(None, csv.reader(file, delimiter=separator, strict=True))
        header = next(lines, None)
        if header is None:
            raise DataError(f"{path} is empty: a CSV file needs a line of column names and rows below it.")
        parts: list[list[np.ndarray]] = [[] for _ in header]
        odd: list[str] = []
        row = 0
        while some := list(islice(lines, _LINES)):
            odd += [f"row {row + i} ({len(line)})" for i, line in enumerate(some, 1) if len(line) != len(header)]
            row += len(some)
            if not odd:
                for part, column in zip(parts, zip(*some, strict=True), strict=True):
                    part.append(np.array(column, dtype=object))
    nothing = [np.empty(0, dtype=object)]
    return header, [np.concatenate(part or nothing) for part in parts], odd


def _separator(header: str) -> str:
    """Return the mark that cuts a line of column names in most fields; a comma where none does."""
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), ())))


def is_frame(x: object) -> TypeGuard[pd.DataFrame]:
    """Return whether something is a DataFrame, without loading pandas: whoever made it has."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(x, pandas.DataFrame)


def is_column(x: object) -> TypeGuard[pd.Series]:
    """Return whether something is a column or the index of a DataFrame, without loading pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(x, (pandas.Series, pandas.Index))


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


def named_columns(frame: pd.DataFrame, given: Sequence[str], option: str, where: str) -> set[str]:
    """Return the columns that an option names: each entry a name, or names with commas between.

    Raises
    ------
    OptionError
        If there is none of a name.
    """
    names = {str(column) for column in frame.columns}
    found: set[str] = set()
    for entry in given:
        parts = [entry] if entry in names else [part.strip() for part in entry.split(",") if part.strip()]
        for part in parts:
            if part not in names:
                raise OptionError(f"{where} has no column '{part}' ({option}).{did_you_mean(part, names)}")
        found.update(parts)
    return found


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
    """Return the column of a given split: the one named, else ``split`` if it holds a side of a split.

    Values that are none are refused where the column is read: a misspelt side is not to deal all rows anew unseen.
    """
    if named is not None:
        return column_named(frame, named, "--split-column", where)
    column = find_column(frame, SPLIT_NAMES)
    if column is None:
        return None
    sides = any(not is_missing(value) and side_of(text_of(value)) is not None for value in frame[column].unique())
    return column if sides else None


def group_label_column(frame: pd.DataFrame, options: DataOptions, where: str) -> Any | None:
    """Return the column that says what class a group is, None if the user names none.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    name = column_of(options.group_label)
    return None if name is None else column_named(frame, name, "--group-label", where)


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
