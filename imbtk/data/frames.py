"""A CSV file or DataFrame: reading it, finding its columns, filtering its rows."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from imbtk.data.labels import is_missing, listing, text_of
from imbtk.data.options import parse_where
from imbtk.data.splits import side_of
from imbtk.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GROUP_NAMES",
    "LABEL_NAMES",
    "PATH_NAMES",
    "column_named",
    "filter_rows",
    "find_column",
    "is_column",
    "is_file",
    "is_frame",
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
        header, *lines = _read_lines(path)
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
    if not lines:
        raise DataError(f"{path} has column names but no row.")
    odd = [f"row {row} ({len(line)})" for row, line in enumerate(lines, 1) if len(line) != len(header)]
    if odd:
        raise DataError(
            f"{path}: every row needs {len(header)} fields, as many as there are column names, but not so in: "
            f"{listing(odd)}. A field that holds the separator needs quotes."
        )
    import pandas as pd

    # A column without a name gets the one that pandas gives it.
    names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]
    return pd.DataFrame(lines, columns=names, index=pd.RangeIndex(1, len(lines) + 1), dtype=str)


def _read_lines(path: Path) -> list[list[str]]:
    """Return the fields of all lines that are not blank, the column names first."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        separator = next((mark for mark in ",;\t" if mark in first), ",")
        file.seek(0)
        lines = [line for line in csv.reader(file, delimiter=separator, strict=True) if line]
    if not lines:
        raise DataError(f"{path} is empty: a CSV file needs a line of column names and rows below it.")
    return lines


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
