"""The one grammar: what is read is what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbtk.authoring.options import StrategySpec, Window, parse_spec, parse_value, parse_window, render_value
from imbtk.errors import OptionError, PlanError

values = st.recursive(
    st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_characters="\"'", blacklist_categories=("Cs", "Cc")), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(blacklist_characters="\"'", blacklist_categories=("Cs", "Cc")), max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(values)
def test_a_rendered_value_reads_back_the_same(value: object) -> None:
    assert parse_value(render_value(value)) == value


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), values, max_size=3))
def test_a_rendered_spec_reads_back_the_same(options: dict[str, object]) -> None:
    spec = StrategySpec("focal-loss", options, Window(10, None, True, False))
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("class-weights", "class-weights", {}),
        ("focal-loss:gamma=2", "focal-loss", {"gamma": 2}),
        ("cost:matrix=[[0,1],[20,0]]", "cost", {"matrix": [[0, 1], [20, 0]]}),
        (
            "class-weights:scheme=custom,weights={benign: 1, malignant: 3}",
            "class-weights",
            {"scheme": "custom", "weights": {"benign": 1, "malignant": 3}},
        ),
        ('threshold:floor="malignant>=0.95"', "threshold", {"floor": "malignant>=0.95"}),
        ("a:mail='x@y.z',min-size=3", "a", {"mail": "x@y.z", "min_size": 3}),
    ],
)
def test_specs_of_the_documentation(text: str, name: str, options: dict[str, object]) -> None:
    spec = parse_spec(text)
    assert (spec.name, spec.options, spec.window) == (name, options, None)


@pytest.mark.parametrize(
    ("text", "total", "epochs"),
    [
        ("10-20", 50, (10, 20)),
        ("80%-", 50, (40, 50)),
        ("0-60%", 50, (0, 30)),
        ("20%-60%", 10, (2, 6)),
        ("-5", 9, (0, 5)),
    ],
)
def test_windows(text: str, total: int, epochs: tuple[int, int]) -> None:
    assert parse_window(text).epochs(total) == epochs
    assert parse_window(str(parse_window(text))) == parse_window(text)


@pytest.mark.parametrize("cut", [10, 33, 50, 90])
@pytest.mark.parametrize("total", [1, 3, 7, 100])
def test_windows_that_meet_leave_no_gap(cut: int, total: int) -> None:
    assert parse_window(f"0-{cut}%").epochs(total)[1] == parse_window(f"{cut}%-").epochs(total)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x-3", "is no window"),
        ("-", "is no window"),
        ("5-5", "ends before it starts"),
        ("1.5-3", "fraction of an epoch"),
        ("20%-3", "start in percent and its end in epochs"),
        ("0-120%", "goes past 100 %"),
    ],
)
def test_windows_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        parse_window(text)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (":gamma=2", PlanError, "does not begin with the name"),
        ("focal-loss:gamma", PlanError, "'gamma' in .* is no option"),
        ("focal-loss:gamma=2,gamma=3", PlanError, "stands twice"),
        ("cost:matrix=[[0,1]", OptionError, "is not closed"),
        ("cost:matrix={a}", OptionError, "has no ':'"),
        ("cost:name='a", OptionError, "is not closed"),
        ("cost:name=", OptionError, "the value is missing"),
    ],
)
def test_specs_that_make_no_sense(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_spec(text)
