"""Dates as people write them."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from imbtk.data.dates import EPOCH, read_dates, stamp_days


def _days(year: int, month: int, day: int) -> int:
    return (datetime.date(year, month, day) - EPOCH).days


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31", "2024/1/31", "2024.01.31", "31.01.2024", "31/01/2024", "01/31/2024", "31-1-2024", "31 Jan 2024",
        "31-Jan-2024", "Jan 31, 2024", "January 31 2024", "31 january 2024", "2024-01-31T00:00", "2024-01-31 00:00:00",
    ],
)  # fmt: skip
def test_one_day_in_many_words(text: str) -> None:
    found = read_dates([text])
    assert found.days.tolist() == [_days(2024, 1, 31)]
    assert not found.unclear


@pytest.mark.parametrize(
    "text", ["2024-02-30", "31.13.2024", "1.2", "20240131", "2024-01", "31/01/24", "soon", "May", "1-Foo-2024"]
)
def test_what_is_no_date(text: str) -> None:
    assert not read_dates([text]).good.any()


def test_the_time_of_day_agrees_with_pandas() -> None:
    texts = ["2024-01-31T06:30:15", "2024-01-31T06:30:15.250Z", "2024-01-31T23:30:00-05:00", "1969-12-31 12:00"]
    expected = stamp_days(pd.Series([pd.Timestamp(text).tz_localize(None) if pd.Timestamp(text).tz is None
                                     else pd.Timestamp(text).tz_convert(None) for text in texts]))  # fmt: skip
    np.testing.assert_allclose(read_dates(texts).days, expected, rtol=0, atol=1e-9)
    assert read_dates(["01/31/2024 5:30 PM", "01/31/2024 12:15 am"]).days % 1 == pytest.approx([17.5 / 24, 0.25 / 24])


def test_the_order_of_day_and_month() -> None:
    assert read_dates(["01/02/2024", "31/01/2024"]).order == "day-first"
    assert read_dates(["01/02/2024", "01/31/2024"]).order == "month-first"
    assert "no other row tells" in read_dates(["01/02/2024", "03/04/2024"]).unclear
    assert "the month" in read_dates(["13/01/2024", "01/13/2024"]).unclear
    assert read_dates(["02/02/2024"]).unclear == ""
    assert read_dates(["01/02/2024"], "month-first").days.tolist() == [_days(2024, 1, 2)]
