"""Numbers as people write them: a decimal point or comma, marks between thousands, a sign of per cent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Mark", "Notation", "Numbers", "read_numbers", "read_written", "thousands_like"]

Mark = Literal[".", ","]

_SPACES = "'’ \u00a0\u202f"
"""Marks between thousands that are never decimal."""

_GROUPED = {
    mark: re.compile(
        rf"[+-]?(?:[1-9]\d{{0,2}}(?:[{_SPACES}{re.escape(other)}]\d{{3}})+|\d+)?(?:{re.escape(mark)}\d*)?(?:[eE][+-]?\d+)?"
    )
    for mark, other in ((".", ","), (",", "."))
}
_BETWEEN = {mark: str.maketrans({",": ".", **dict.fromkeys(_SPACES + other)} if mark == "," else dict.fromkeys(
    _SPACES + other)) for mark, other in ((".", ","), (",", "."))}  # fmt: skip


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written.

    Attributes
    ----------
    decimal : "." or ","
    grouped : bool
        Whether marks stand between thousands.
    percent : bool
        Whether each number ends with a sign of per cent, which is taken away.
    """

    decimal: Mark = "."
    grouped: bool = False
    percent: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what differs from a plain number."""
        plain = Notation()
        return {key: value for key, value in vars(self).items() if value != getattr(plain, key)}

    @classmethod
    def from_json(cls, column: Any) -> Notation:
        """Read what :meth:`to_json` wrote among other keys."""
        return cls(**{key: column[key] for key in vars(cls()) if key in column})


@dataclass(frozen=True)
class Numbers:
    """What a column's texts are as numbers.

    Attributes
    ----------
    values : ndarray of float64, shape (V,)
        NaN where a text is no number.
    good : ndarray of bool, shape (V,)
    notation : Notation
    marked : bool
        Whether a decimal mark or one between thousands stands in the texts.
    otherwise : "." or ",", optional
        The decimal mark under which the same texts are other numbers: all are like 1,234 or 1.234.
    """

    values: np.ndarray
    good: np.ndarray
    notation: Notation
    marked: bool
    otherwise: Mark | None = None


def read_written(texts: Sequence[str], notation: Notation) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers (V,) that texts are in a notation, and which are any, bool (V,)."""
    values = np.array([_value(text, notation) for text in texts], dtype=np.float64)
    return values, ~np.isnan(values)


def _value(text: str, notation: Notation) -> float:
    if notation.percent:
        if not text.endswith("%"):
            return np.nan
        text = text[:-1].rstrip()
    if notation.decimal == "." and not notation.grouped:
        return _plain(text)
    other = "." if notation.decimal == "," else ","
    if not notation.grouped and any(mark in text for mark in _SPACES + other):
        return np.nan
    if not _GROUPED[notation.decimal].fullmatch(text):
        return np.nan
    return _plain(text.translate(_BETWEEN[notation.decimal]))


def _plain(text: str) -> float:
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def read_numbers(texts: Sequence[str], decimal: Mark | None = None) -> Numbers:
    """Find out how texts are written as numbers, from all of them together.

    Parameters
    ----------
    texts : sequence of str, length V
        Distinct, none missing.
    decimal : "." or ",", optional
        The decimal mark where a user said it.

    Returns
    -------
    Numbers
        In the notation that reads most; ``otherwise`` is set where another reads as many as other numbers.
    """
    plain = Notation(percent=bool(texts) and all(text.endswith("%") for text in texts))
    values, good = read_written(texts, plain)
    points = any("." in text for text in texts)
    if good.all() and decimal != ",":
        return Numbers(values, good, plain, points)
    if not any("," in text or "." in text or any(mark in text for mark in _SPACES) for text in texts):
        return Numbers(values, good, plain, marked=False)
    found = [_best(texts, mark, plain.percent) for mark in ((decimal,) if decimal else (".", ","))]
    most = max(found, key=lambda numbers: int(numbers.good.sum()))
    for other in found:
        both = most.good & other.good
        if other is not most and other.good.sum() == most.good.sum() and (most.values != other.values)[both].any():
            return Numbers(most.values, most.good, most.notation, True, other.notation.decimal)
    return most


def _best(texts: Sequence[str], mark: Mark, percent: bool) -> Numbers:
    """Return the numbers with one decimal mark, with marks between thousands only if that reads more."""
    simple, grouped = (Notation(mark, between, percent) for between in (False, True))
    values, good = read_written(texts, simple)
    more, better = read_written(texts, grouped)
    if better.sum() > good.sum():
        return Numbers(more, better, grouped, True)
    return Numbers(values, good, simple, True)


def thousands_like(texts: Sequence[str]) -> bool:
    """Return whether plain numbers with a point could all be thousands with one: ``1.234``, ``12.500``, ``7``."""
    return any("." in text for text in texts) and bool(read_written(texts, Notation(",", grouped=True))[1].all())
