"""How each column of a table is taken: as numbers, as dates, as a few categories, or not at all."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbtk.data.cells import Cells
from imbtk.data.column_words import column_notes
from imbtk.data.dates import EPOCH, Dates, read_dates, stamp_days
from imbtk.data.frames import named_columns
from imbtk.data.numbers import Mark, Notation, Numbers, read_numbers, thousands_like
from imbtk.data.options import DataOptions
from imbtk.errors import DataError, OptionError
from imbtk.wording import listing

__all__ = ["MOST_MIXED", "MOST_TEXTS", "fit_columns"]

MOST_TEXTS = 100
"""A column of more different texts is no feature but prose."""

MOST_MIXED = 20
"""A column of numbers and words is categories by itself up to so many different values."""

_SHOWN = 5
_MARKS: dict[str, Mark | None] = {"auto": None, "point": ".", "comma": ","}
_ID_ENDS = {"id", "uuid", "guid", "key", "identifier"}
_ID_NAMES = {"index", "idx", "row", "row number", "rownumber", "rowid", "rownames"}


@dataclass(frozen=True)
class _Column:
    """A column on its way: `kept` is what encodes it, None if it is left out because of `why`."""

    name: str
    kept: dict[str, Any] | None
    why: str = ""
    note: str = ""
    numbers: Numbers | None = None
    texts: tuple[str, ...] = ()


def fit_columns(
    frame: pd.DataFrame, where: str, options: DataOptions | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return how the columns of a frame become numbers, as plain values, and what people must be told of it.

    Parameters
    ----------
    frame : DataFrame
        Features only.
    where : str
        What the table is, for messages.
    options : DataOptions, optional
        What the user says of columns.

    Returns
    -------
    preprocessing : dict
        ``{"kind": "table", "columns": [{"name": "age", "type": "number"}, {"name": "sex", "type": "text", "values":
        ["f", "m"]}, {"name": "seen", "type": "date", "since": "2019-03-04"}], "left_out": [{"name": "id", "why":
        "identifier"}]}``, for :func:`imbtk.data.table.encode_table`.
    notes : tuple of str

    Raises
    ------
    DataError
        If a column can be read in two ways, is neither numbers nor dates nor a few texts, or there is none.
    OptionError
        If an option names a column that there is not, or says two things of one.
    """
    options = options or DataOptions()
    wishes = {
        name: named_columns(frame, getattr(options, name), f"--{name}", where)
        for name in ("drop", "categorical", "numeric")
    }
    for one, other in (("drop", "categorical"), ("drop", "numeric"), ("categorical", "numeric")):
        if both := sorted(wishes[one] & wishes[other]):
            raise OptionError(f"column '{both[0]}' is named by --{one} and by --{other}: say one of them.")
    columns = [
        _column(str(name), frame[name], place, wishes, options, where) for place, name in enumerate(frame.columns)
    ]
    columns = _settled(columns, where)
    kept = [column.kept for column in columns if column.kept is not None]
    if not kept:
        raise DataError(f"{where} has no column of features beside labels and groups.")
    left_out = [{"name": column.name, "why": column.why} for column in columns if column.kept is None]
    preprocessing = {"kind": "table", "columns": kept, "left_out": left_out}
    return preprocessing, (*(column.note for column in columns if column.note), *column_notes(preprocessing))


def _column(
    name: str, values: pd.Series, place: int, wishes: Mapping[str, set[str]], options: DataOptions, where: str
) -> _Column:
    numeric = pd.api.types.is_numeric_dtype(values)
    asked = name in wishes["categorical"] or name in wishes["numeric"]
    if name in wishes["drop"]:
        return _Column(name, None, "as asked")
    if values.isna().all():
        return _Column(name, None, "empty")
    if pd.api.types.is_datetime64_any_dtype(values) and not asked:
        return _date(name, stamp_days(values))
    if numeric and name not in wishes["categorical"]:
        if not asked and _is_identifier(name, place) and _counts_rows(values):
            return _Column(name, None, "identifier")
        flags = pd.api.types.is_bool_dtype(values)
        return _Column(name, {"name": name, "type": "number", **({"boolean": True} if flags else {})})
    cells = Cells.of(values)
    if not cells.present:
        return _Column(name, None, "empty")
    if name in wishes["categorical"] or (isinstance(values.dtype, pd.CategoricalDtype) and not asked):
        return _categories(name, cells, where)
    numbers = read_numbers(cells.present, _MARKS[options.decimal])
    if not asked and _is_identifier(name, place) and _all_distinct(cells) and _whole(numbers):
        return _Column(name, None, "identifier")
    return _from_texts(name, cells, numbers, options, name in wishes["numeric"], where)


def _from_texts(name: str, cells: Cells, numbers: Numbers, options: DataOptions, wished: bool, where: str) -> _Column:
    """Return how a column of texts is taken, after what the texts are."""
    if numbers.good.all():
        return _number(name, cells, numbers)
    dates = read_dates(cells.present, None if options.dates == "auto" else options.dates)
    if dates.unclear and dates.good.sum() >= len(cells.present) / 2:
        raise DataError(
            f"column '{name}' of {where} holds dates, and {dates.unclear}. Say --dates day-first or --dates "
            f"month-first, write them as 2024-01-31, or leave the column out with --drop '{name}'."
        )
    if dates.good.all():
        return _date(name, dates.days, dates)
    if wished:
        return _wished_number(name, cells, numbers, where)
    if len(cells.present) <= MOST_MIXED:
        return _categories(name, cells, where, mixed=bool(numbers.good.any() or dates.good.any()))
    for good, what, how in (
        (numbers.good, "numbers", f"or say --numeric '{name}', which takes what is no number as missing"),
        (dates.good, "dates", "as 2024-01-31, 31.01.2024 or 31 Jan 2024"),
    ):
        if 2 * good.sum() >= len(good):
            raise DataError(
                f"column '{name}' of {where} holds {what}, but not in {cells.named(cells.marked(~good))}. "
                f"Correct them, {how}; or leave the column out with --drop '{name}'."
            )
    return _categories(name, cells, where)


def _number(name: str, cells: Cells, numbers: Numbers, note: str = "") -> _Column:
    kept = {"name": name, "type": "number", **numbers.notation.to_json()}
    return _Column(name, kept, note=note, numbers=numbers, texts=tuple(cells.present))


def _wished_number(name: str, cells: Cells, numbers: Numbers, where: str) -> _Column:
    if not numbers.good.any():
        raise DataError(f"column '{name}' of {where} holds no number, so --numeric '{name}' cannot be done.")
    lost = cells.marked(~numbers.good)
    words = listing([repr(text) for text, good in zip(cells.present, numbers.good, strict=True) if not good], _SHOWN)
    note = f"'{name}' is numeric as asked: {int(lost.sum()):,} rows that hold no number ({words}) count as missing."
    column = _number(name, cells, numbers, note)
    return _Column(name, {**(column.kept or {}), "words": "missing"}, "", note, numbers, column.texts)


def _date(name: str, days: np.ndarray, dates: Dates | None = None) -> _Column:
    first = EPOCH + datetime.timedelta(days=int(np.floor(np.nanmin(days))))
    order = {"order": dates.order} if dates and dates.order else {}
    return _Column(name, {"name": name, "type": "date", "since": first.isoformat(), **order})


def _categories(name: str, cells: Cells, where: str, mixed: bool = False) -> _Column:
    values = sorted(cells.present)
    if len(values) > MOST_TEXTS:
        raise DataError(
            f"column '{name}' of {where} holds {len(values):,} different texts "
            f"({listing([repr(text) for text in values], 3)}): at most {MOST_TEXTS} can become features. Leave it out "
            f"with --drop '{name}', or turn it into numbers, dates or fewer values."
        )
    return _Column(name, {"name": name, "type": "text", "values": values, **({"mixed": True} if mixed else {})})


def _is_identifier(name: str, place: int) -> bool:
    """Return whether a column is called as identifiers are: id, patientId, row_key, or a first one without a name."""
    if not place and (name == "" or name.startswith("Unnamed:")):
        return True
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", " ", name).casefold().split()
    return bool(words) and (words[-1] in _ID_ENDS or " ".join(words) in _ID_NAMES)


def _counts_rows(values: pd.Series) -> bool:
    known = values.dropna()
    return bool(known.is_unique and (known == np.floor(known.astype(np.float64))).all())


def _all_distinct(cells: Cells) -> bool:
    return len(cells.present) == int((cells.codes > 0).sum())


def _whole(numbers: Numbers) -> bool:
    values = numbers.values[numbers.good]
    return bool((values == np.floor(values)).all())


def _settled(columns: Sequence[_Column], where: str) -> list[_Column]:
    """Return the columns with numbers like 1,234 read as the other columns' decimal mark says.

    Raises
    ------
    DataError
        If no other column tells, or they contradict each other.
    """
    told = {c.numbers.notation.decimal for c in columns if c.numbers and c.numbers.marked and not c.numbers.otherwise
            and not thousands_like(c.texts)}  # fmt: skip
    settled = []
    for column in columns:
        numbers = column.numbers
        doubtful = numbers is not None and (
            numbers.otherwise is not None
            or ("," in told and numbers.notation == Notation() and thousands_like(column.texts))
        )
        if not doubtful or numbers is None or column.kept is None:
            settled.append(column)
            continue
        shown = next(text for text in column.texts if "," in text or "." in text)
        if len(told) != 1 or numbers.otherwise is None:
            raise DataError(
                f"column '{column.name}' of {where} holds numbers such as {shown}, which have a mark between thousands "
                "or three decimals, and nothing in the table tells which. Say --decimal point or --decimal comma."
            )
        again = read_numbers(column.texts, next(iter(told)))
        kept = {key: value for key, value in column.kept.items() if key not in vars(Notation())}
        settled.append(_Column(column.name, {**kept, **again.notation.to_json()}, "", column.note, again, column.texts))
    return settled
