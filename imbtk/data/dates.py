"""Dates as people write them, as days since 1970-01-01: ISO, and forms whose order of day and month is certain."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

__all__ = ["EPOCH", "Dates", "DayOrder", "read_dates", "stamp_days"]

DayOrder = Literal["day-first", "month-first"]

EPOCH = datetime.date(1970, 1, 1)

_TIME = re.compile(
    r"(?:T|,? +)(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?(?: ?([AP]M))?(?: ?(Z|[+-]\d{2}:?\d{2}))?", re.IGNORECASE
)
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})",
        # Points are written day first wherever they are written.
        r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})",
        r"(?P<a>\d{1,2})(?P<mark>[/-])(?P<b>\d{1,2})(?P=mark)(?P<y>\d{4})",
        r"(?P<d>\d{1,2})[ -](?P<name>[A-Za-z]{3,9})\.?,?[ -](?P<y>\d{4})",
        r"(?P<name>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})",
    )
)
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


@dataclass(frozen=True)
class Dates:
    """What a column's texts are as dates.

    Attributes
    ----------
    days : ndarray of float64, shape (V,)
        Since 1970-01-01, the time of day as a fraction; NaN where a text is no date.
    good : ndarray of bool, shape (V,)
        Whether it is one, the order of day and month aside.
    order : "day-first" or "month-first", optional
        How dates like 03/12/2024 are read; None where there are none.
    unclear : str
        Why their order cannot be told; empty if it can.
    """

    days: np.ndarray
    good: np.ndarray
    order: DayOrder | None = None
    unclear: str = ""


def read_dates(texts: Sequence[str], order: DayOrder | None = None) -> Dates:
    """Find out which texts are dates, and in which order day and month stand, from all of them together.

    Parameters
    ----------
    texts : sequence of str, length V
    order : "day-first" or "month-first", optional
        How dates like 03/12/2024 are read, where that was said.
    """
    matches = [_match(text) for text in texts]
    pairs = [(int(date["a"]), int(date["b"]), text) for (date, _), text in zip(matches, texts, strict=True)
             if date is not None and "a" in date]  # fmt: skip
    unclear = ""
    if pairs and order is None:
        order, unclear = _order_of(pairs)
    days = np.array([_days(date, time, order) for date, time in matches], dtype=np.float64)
    return Dates(days, ~np.isnan(days), order if pairs else None, unclear)


def stamp_days(values: pd.Series) -> np.ndarray:
    """Return a column of time stamps as days since 1970-01-01, (N,) float64."""
    stamps = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
    days: np.ndarray = ((stamps - pd.Timestamp(EPOCH)) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
    return days


def _order_of(pairs: Sequence[tuple[int, int, str]]) -> tuple[DayOrder, str]:
    """Return the order of day and month that all dates allow, and what is unclear about it."""
    day_first = next((text for a, _, text in pairs if a > 12), None)
    month_first = next((text for _, b, text in pairs if b > 12), None)
    if day_first and month_first:
        return "day-first", f"'{day_first}' has the day first and '{month_first}' the month"
    if not day_first and not month_first and any(a != b for a, b, _ in pairs):
        return "day-first", f"'{pairs[0][2]}' may have the day first or the month, and no other row tells"
    return ("month-first" if month_first else "day-first"), ""


def _match(text: str) -> tuple[dict[str, str] | None, re.Match[str] | None]:
    """Return the parts of a date and the time behind it, (None, None) if the text is none."""
    if not (text[:1].isdigit() or text[:3].isalpha()):
        return None, None
    for form in _FORMS:
        found = form.match(text)
        if found is None:
            continue
        rest = text[found.end() :]
        time = _TIME.fullmatch(rest) if rest else None
        if not rest or time is not None:
            return found.groupdict(), time
    return None, None


def _days(date: dict[str, str] | None, time: re.Match[str] | None, order: DayOrder | None) -> float:
    if date is None:
        return np.nan
    try:
        if "a" in date:
            day, month = (date["a"], date["b"]) if order == "day-first" else (date["b"], date["a"])
        else:
            day, month = date["d"], date.get("m") or _month(date["name"])
        return (datetime.date(int(date["y"]), int(month), int(day)) - EPOCH).days + _fraction(time)
    except ValueError:
        return np.nan


def _month(name: str) -> str:
    found = [number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.casefold())]
    if len(found) != 1 and name.casefold() != "sept":
        raise ValueError(name)
    return str(found[0])


def _fraction(time: re.Match[str] | None) -> float:
    """Return a time of day as a fraction of a day, in UTC where an offset is written."""
    if time is None:
        return 0.0
    hour, minute, second, part, half, zone = time.groups()
    if int(hour) > (12 if half else 23) or int(minute) > 59 or int(second or 0) > 60:
        raise ValueError(time[0])
    hours = int(hour) % 12 + 12 * (half.casefold() == "pm") if half else int(hour)
    seconds = 3600 * hours + 60 * int(minute) + int(second or 0) + float(part or 0)
    if zone and zone.casefold() != "z":
        digits = zone[1:].replace(":", "")
        seconds -= (-1 if zone[0] == "-" else 1) * (3600 * int(digits[:2]) + 60 * int(digits[2:]))
    return seconds / 86400
