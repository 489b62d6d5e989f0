"""The distinct texts of a column: a rule looks at each once, however many rows hold it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbtk.data.labels import is_missing, text_of

__all__ = ["Cells", "rows_where"]

_TOLD = 5
"""How many rows a message names before it says how many more there are."""

_MISSING = {"", "na", "n/a", "nan", "null", "none", "#n/a", "?"}
_LONGEST = max(map(len, _MISSING))


@dataclass(frozen=True)
class Cells:
    """One column as texts.

    Attributes
    ----------
    texts : list of str, length V
        Distinct and stripped; the first is ``""``, which stands for a missing value and need not occur.
    codes : ndarray of int64, shape (N,)
        Which text a row holds.
    index : Index, length N
        What rows are called.
    """

    texts: list[str]
    codes: np.ndarray
    index: pd.Index

    @classmethod
    def of(cls, values: pd.Series) -> Cells:
        """Return the texts of a column."""
        try:
            codes, found = pd.factorize(values)
        except TypeError:
            codes, found = pd.factorize(values.map(text_of))
        places = {"": 0}
        numbers = [places.setdefault(_stripped(value), len(places)) for value in found]
        # pandas gives missing values the code -1: they take the last place.
        return cls(list(places), np.array([*numbers, 0], dtype=np.int64)[codes], values.index)

    @property
    def present(self) -> list[str]:
        """The texts that are no missing value, length V - 1."""
        return self.texts[1:]

    def taken(self, values: np.ndarray) -> np.ndarray:
        """Return for each row the value of its text, given those of :attr:`present`, NaN where it is missing."""
        taken: np.ndarray = np.append(np.nan, values)[self.codes]
        return taken

    def marked(self, texts: np.ndarray) -> np.ndarray:
        """Return which rows hold a text that is marked among :attr:`present`, bool (N,)."""
        marked: np.ndarray = np.append(False, texts)[self.codes]
        return marked

    def text(self, place: int) -> str:
        """Return the text of a row as messages quote it."""
        return repr(self.texts[self.codes[place]])

    def named(self, rows: np.ndarray) -> str:
        """Return marked rows, bool (N,), with their texts, for messages: ``row 4 ('x'), row 9 ('y')``."""
        return rows_where(rows, self.index, self.text)


def rows_where(rows: np.ndarray, index: pd.Index, value: Callable[[int], str]) -> str:
    """Return the first marked rows with their values, and how many more there are."""
    places = np.flatnonzero(rows).tolist()
    told = [f"row {index[place]} ({value(place)})" for place in places[:_TOLD]]
    return ", ".join(told) + (f" and {len(places) - _TOLD:,} more" if len(places) > _TOLD else "")


def _stripped(value: object) -> str:
    if is_missing(value):
        return ""
    text = (value if isinstance(value, str) else text_of(value)).strip()
    return "" if len(text) <= _LONGEST and text.casefold() in _MISSING else text
