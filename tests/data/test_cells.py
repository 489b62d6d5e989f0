"""The distinct texts of a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imbtk.data.cells import Cells, rows_where


def test_texts_are_distinct_and_stripped_and_missing_ones_are_nothing() -> None:
    column = pd.Series(["b ", "a", None, " b", "N/A", "?", "  ", "nan", "a"], index=range(10, 19))
    cells = Cells.of(column)
    assert cells.texts == ["", "b", "a"]
    assert cells.present == ["b", "a"]
    assert cells.codes.tolist() == [1, 2, 0, 1, 0, 0, 0, 0, 2]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2, 1], ["", "1", "2"]),
        ([1.0, 2.5, np.nan], ["", "1", "2.5"]),
        ([True, False, None], ["", "True", "False"]),
        (["none of these", "n/a"], ["", "none of these"]),
        ([None, np.nan, pd.NaT], [""]),
        ([[1], [2], [1]], ["", "[1]", "[2]"]),  # lists cannot be told apart by their hash
    ],
)
def test_values_of_other_kinds_are_texts_too(values: list[object], texts: list[str]) -> None:
    cells = Cells.of(pd.Series(values, dtype=object))
    assert cells.texts == texts
    assert [cells.texts[code] for code in cells.codes][: len(values)][0] in texts


def test_a_rule_looks_at_each_text_once_and_rows_take_what_it_says() -> None:
    cells = Cells.of(pd.Series(["x", None, "y", "x"], index=["r1", "r2", "r3", "r4"]))
    taken = cells.taken(np.array([1.5, 2.5]))
    assert taken[[0, 2, 3]].tolist() == [1.5, 2.5, 1.5]
    assert np.isnan(taken[1])
    marked = cells.marked(np.array([True, False]))
    assert marked.tolist() == [True, False, False, True]
    assert cells.text(2) == "'y'"
    assert cells.named(marked) == "row r1 ('x'), row r4 ('x')"


def test_five_rows_are_named_and_the_others_counted() -> None:
    rows = np.ones(1207, dtype=bool)
    rows[0] = False
    said = rows_where(rows, pd.RangeIndex(len(rows)), lambda place: f"v{place}")
    assert said == "row 1 (v1), row 2 (v2), row 3 (v3), row 4 (v4), row 5 (v5) and 1,201 more"
