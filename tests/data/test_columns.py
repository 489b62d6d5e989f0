"""How columns are taken."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imbtk.data.column_words import column_words
from imbtk.data.columns import fit_columns
from imbtk.data.options import DataOptions
from imbtk.data.table import encode_table, feature_names
from imbtk.errors import DataError, OptionError


def _types(frame: pd.DataFrame, **options: object) -> dict[str, str]:
    how, _ = fit_columns(frame, "x", DataOptions(**options))
    return {**{c["name"]: c["type"] for c in how["columns"]}, **{c["name"]: c["why"] for c in how["left_out"]}}


def test_a_few_values_of_numbers_and_words_are_categories_by_themselves() -> None:
    frame = pd.DataFrame({"doors": ["2", "3", "4", "5more"] * 5, "n": [str(i) for i in range(20)]})
    how, notes = fit_columns(frame, "x")
    assert feature_names(how) == ("doors=2", "doors=3", "doors=4", "doors=5more", "n")
    assert notes == (
        "Taken as categories, though some values are numbers or dates: 'doors' (2, 3, 4, 5more). --numeric takes the "
        "words as missing.",
    )


def test_more_values_of_numbers_and_words_are_refused_with_what_can_be_said() -> None:
    frame = pd.DataFrame({"age": [*map(str, range(20)), "old"]}, index=range(1, 22))
    with pytest.raises(
        DataError, match=r"column 'age' of x holds numbers, but not in row 21 \('old'\)\. .*--numeric 'age'"
    ):
        fit_columns(frame, "x")
    how, notes = fit_columns(frame, "x", DataOptions(numeric="age"))
    assert encode_table(frame, how)[:, 0].isnan().tolist() == [False] * 20 + [True]
    assert notes == ("'age' is numeric as asked: 1 rows that hold no number ('old') count as missing.",)
    assert feature_names(fit_columns(frame, "x", DataOptions(categorical="age"))[0])[-1] == "age=old"
    with pytest.raises(DataError, match="column 'b' of x holds no number, so --numeric 'b' cannot be done"):
        fit_columns(pd.DataFrame({"b": ["x", "y"]}), "x", DataOptions(numeric="b"))


@pytest.mark.parametrize(
    "name", ["id", "ID", "case_id", "caseId", "PatientID", "uuid", "row key", "index", "Unnamed: 0"]
)
def test_identifiers_are_left_out_and_said(name: str) -> None:
    for values in (
        range(7, 2, -1),
        [f"p{i}" for i in range(5)],
        ["11", "12", "9", "4", "5"],
        [1.0, 2.0, 3.0, 5.0, 4.0],
    ):
        frame = pd.DataFrame({name: values, "a": [1, 2, 3, 4, 4]})
        how, notes = fit_columns(frame, "x")
        assert feature_names(how) == ("a",)
        assert how["left_out"] == [{"name": name, "why": "identifier"}]
        assert notes == (
            f"Left out as identifiers, each row having its own: '{name}'. --numeric or --categorical keeps one.",
        )


def test_what_is_called_otherwise_or_repeats_or_is_measured_is_no_identifier() -> None:
    frame = pd.DataFrame(
        {
            "acid": [1, 2, 3],
            "shop_id": [1, 1, 2],
            "refraction index": [1.5, 1.6, 1.7],
            "keys": ["1", "2", "3"],
            "paid": ["1.5", "2.5", "3.5"],
        }
    )
    assert set(_types(frame).values()) == {"number"}
    assert _types(pd.DataFrame({"id": [1, 2, 3], "a": [1, 2, 2]}), numeric=["id"]) == {"id": "number", "a": "number"}
    assert _types(pd.DataFrame({"id": [1, 2, 3], "a": [1, 2, 2]}), categorical=["id"])["id"] == "text"


def test_dates_become_days_since_the_first() -> None:
    frame = pd.DataFrame(
        {
            "iso": ["2024-03-01", "2024-02-28", ""],
            "german": ["01.03.2024", "28.02.2024", "29.02.2024"],
            "words": ["1 Mar 2024", "Feb 28, 2024", "29-Feb-2024"],
            "stamps": pd.to_datetime(["2024-03-01", "2024-02-28 12:00", None], format="mixed"),
        }
    )
    how, notes = fit_columns(frame, "x")
    x = encode_table(frame, how).numpy()
    expected = np.array([[2, 2, 2, 2], [0, 0, 0, 0.5], [np.nan, 1, 1, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(x, expected)
    assert notes[0].startswith("Dates became days: 'iso' (days since 2024-02-28), 'german' (days since 2024-02-28)")


def test_the_order_of_day_and_month_comes_from_the_column_or_the_user() -> None:
    clear = pd.DataFrame({"seen": ["01/02/2024", "31/01/2024"]})
    how, notes = fit_columns(clear, "x")
    assert encode_table(clear, how)[:, 0].tolist() == [1, 0]
    assert notes == ("Dates became days: 'seen' (days since 2024-01-31, day first).",)
    doubtful = pd.DataFrame({"seen": ["01/02/2024", "03/04/2024"]})
    with pytest.raises(
        DataError, match=r"column 'seen' of x holds dates, and '01/02/2024' may have the day first or the"
    ):
        fit_columns(doubtful, "x")
    how, _ = fit_columns(doubtful, "x", DataOptions(dates="month-first"))
    assert encode_table(doubtful, how)[:, 0].tolist() == [0, 31 + 29 + 2]
    both = pd.DataFrame({"seen": ["13/01/2024", "01/13/2024"]})
    with pytest.raises(DataError, match="'13/01/2024' has the day first and '01/13/2024' the month"):
        fit_columns(both, "x")


def test_a_mark_between_thousands_or_decimals_is_told_by_the_table_or_the_user() -> None:
    doubtful = pd.DataFrame({"a": ["1,234", "2,500"]})
    with pytest.raises(
        DataError, match=r"column 'a' of x holds numbers such as 1,234, .* --decimal point or --decimal comma"
    ):
        fit_columns(doubtful, "x")
    for mark, values in (("point", [1234, 2500]), ("comma", [1.234, 2.5])):
        how, _ = fit_columns(doubtful, "x", DataOptions(decimal=mark))
        np.testing.assert_allclose(encode_table(doubtful, how)[:, 0], values, rtol=1e-6)
    told = doubtful.assign(b=["0,5", "1,25"])
    how, notes = fit_columns(told, "x")
    np.testing.assert_allclose(encode_table(told, how), [[1.234, 0.5], [2.5, 1.25]], rtol=1e-6)
    assert notes == ("Read with a decimal comma: 'a', 'b'.",)
    english = doubtful.assign(b=["0.5", "1.25"])
    how, notes = fit_columns(english, "x")
    np.testing.assert_allclose(encode_table(english, how), [[1234, 0.5], [2500, 1.25]], rtol=1e-6)
    assert notes == ("Read with marks between thousands: 'a'.",)
    with pytest.raises(DataError, match=r"column 'c' of x holds numbers such as 1\.234"):
        fit_columns(pd.DataFrame({"b": ["0,5", "1,25"], "c": ["1.234", "2.500"]}), "x")


def test_columns_are_named_one_by_one_or_with_commas_between() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [1, 2], "c, d": [1, 2]})
    assert _types(frame, drop=["a", "c, d"]) == {"b": "number", "a": "as asked", "c, d": "as asked"}
    assert _types(frame, categorical="a,b") == {"a": "text", "b": "text", "c, d": "number"}
    with pytest.raises(OptionError, match=r"x has no column 'A' \(--drop\)\. Did you mean 'a'"):
        fit_columns(frame, "x", DataOptions(drop="A"))
    with pytest.raises(OptionError, match="column 'a' is named by --drop and by --numeric"):
        fit_columns(frame, "x", DataOptions(drop="a", numeric="a"))


def test_columns_that_say_nothing_are_left_out() -> None:
    frame = pd.DataFrame({"Unnamed: 0": ["0", "1", "2"], "a": ["1", "2", "3"], "Unnamed: 32": ["", "", ""]})
    how, notes = fit_columns(frame, "x")
    assert feature_names(how) == ("a",)
    assert notes[1] == "Left out because they are empty: 'Unnamed: 32'."
    with pytest.raises(DataError, match="x has no column of features beside labels and groups"):
        fit_columns(frame[["Unnamed: 0"]], "x")


def test_prose_is_no_feature() -> None:
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(200)]})
    with pytest.raises(
        DataError, match=r"holds 200 different texts .* at most 100 can become features\. .*--drop 'name'"
    ):
        fit_columns(frame, "x")


def test_people_are_told_how_each_column_is_taken() -> None:
    frame = pd.DataFrame(
        {"id": [1, 2, 3], "a": ["1,5", "2", "3"], "b": ["x", "y", "x"], "c": ["2024-01-01", "2024-01-02", ""]}
    )
    assert column_words(fit_columns(frame, "x")[0]) == [
        ("a", "number (decimal comma)"),
        ("b", "2 categories: x, y"),
        ("c", "days since 2024-01-01"),
        ("id", "left out: identifier"),
    ]
