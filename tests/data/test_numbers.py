"""Numbers as people write them."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk.data.numbers import Notation, read_numbers, read_written


@pytest.mark.parametrize(
    ("texts", "values", "notation"),
    [
        (["1", "2.5", "-1e3", ".5"], [1, 2.5, -1000, 0.5], {}),
        (["1,5", "2", "-0,25"], [1.5, 2, -0.25], {"decimal": ","}),
        (["1.234,5", "7"], [1234.5, 7], {"decimal": ",", "grouped": True}),
        (["1,234.5", "7"], [1234.5, 7], {"grouped": True}),
        (["1.234.567"], [1234567], {"decimal": ",", "grouped": True}),
        (["1 234", "1\u202f234"], [1234, 1234], {"grouped": True}),
        (["1'234.5"], [1234.5], {"grouped": True}),
        (["0,512", "0,333"], [0.512, 0.333], {"decimal": ","}),
        (["5%", "7.5 %"], [5, 7.5], {"percent": True}),
        (["5,5%"], [5.5], {"decimal": ",", "percent": True}),
    ],
)
def test_notations(texts: list[str], values: list[float], notation: dict[str, object]) -> None:
    found = read_numbers(texts)
    assert found.good.all()
    assert found.otherwise is None
    np.testing.assert_allclose(found.values, values, rtol=1e-15)
    assert found.notation.to_json() == notation
    assert Notation.from_json({"name": "a", **notation}) == found.notation
    np.testing.assert_array_equal(read_written(texts, found.notation)[0], found.values)


@pytest.mark.parametrize("text", ["1,2,3", "1_000", "12,34.5", "five", ",", "1.2.3", "1,5.5", "$5", "12%%", "1 23"])
def test_what_is_no_number(text: str) -> None:
    assert not read_numbers([text]).good.any()


def test_what_may_be_thousands_or_decimals_is_in_doubt() -> None:
    assert read_numbers(["1,234", "12,500"]).otherwise == ","
    assert read_numbers(["1,234", "1234"]).otherwise == ","
    assert read_numbers(["1,234", "1,5"]).otherwise is None
    assert read_numbers(["1,234"], ",").values.tolist() == [1.234]
    assert read_numbers(["1,234"], ".").values.tolist() == [1234]
    assert read_numbers(["1.234"], ",").values.tolist() == [1234]
