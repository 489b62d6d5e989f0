"""Numbers with the digits that data support, names that cannot break a page."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbtk.wording import (
    decimals,
    interval_text,
    join_words,
    metric_text,
    one_line,
    per_cent,
    plural,
    ratio_text,
    reason_of,
    sentence,
    shorten,
    value_text,
)


def figure(value: float, n: int, interval: list[float] | None, groups: int | None = None) -> dict[str, Any]:
    return {"value": value, "interval": interval, "n": n, "groups": groups, "method": None}


def test_twelve_cases_never_get_four_digits() -> None:
    assert value_text(figure(0.9132, 12, [0.62, 0.99])) == "0.91"
    assert value_text(figure(0.9132, 12, None)) == "0.91"


def test_third_digit_only_where_uncertainty_is_small() -> None:
    assert metric_text(figure(0.91324, 40_000, [0.9105, 0.9160])) == "0.913 (0.910–0.916)"
    assert decimals(40_000, None) == 3
    assert decimals(500, None) == 2


def test_patients_count_not_images() -> None:
    assert metric_text(figure(0.9132, 40_000, [0.9105, 0.9160], groups=34)) == "0.91 (0.91–0.92)"


def test_interval_of_no_width_promises_no_digit() -> None:
    assert value_text(figure(1.0, 40_000, [1.0, 1.0])) == "1.00"


def test_missing_figures_are_never_zero() -> None:
    missing = {"value": None, "reason": "no rows of the class"}
    assert (value_text(missing), metric_text(missing), interval_text(missing)) == ("–", "–", "")
    assert reason_of(missing) == "no rows of the class"
    assert reason_of(figure(1.0, 3, None) | {"interval_reason": "one value"}) == "one value"
    assert reason_of(None) == "not computed"


def test_signs() -> None:
    assert metric_text(figure(-0.02, 50, [-0.12, 0.08])) == "−0.02 (−0.12 to 0.08)"
    assert value_text(figure(-0.0001, 50, None)) == "0.00"


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.314, "31 %"), (0.0314, "3.1 %"), (0.0004, "0.04 %"), (0.0, "0 %"), (1e-7, "<0.01 %")],
)
def test_per_cent(share: float, text: str) -> None:
    assert per_cent(share) == text


def test_per_cent_of_nothing() -> None:
    assert per_cent(None) == per_cent(float("nan")) == "–"


@given(st.text(max_size=200), st.integers(4, 40))
def test_shortened_names_are_short_and_on_one_line(name: str, width: int) -> None:
    shown = shorten(name, width)
    assert 0 < len(shown) <= max(width, len("(no name)"))
    assert shown.isprintable()


def test_names() -> None:
    assert one_line("two\nlines\t and\x00 zero") == "two lines and zero"
    assert one_line("right\u202eleft") == "right left"
    assert one_line(" ") == "(no name)"
    assert shorten("ductal carcinoma in situ, high grade", 16) == "ductal c…h grade"
    assert shorten("short", 16) == "short"


def test_words() -> None:
    assert [plural(1, "patient"), plural(1204, "image"), plural(2, "class")] == [
        "1 patient",
        "1,204 images",
        "2 classes",
    ]
    assert [join_words(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert sentence("no group\nis on two sides") == "No group is on two sides."
    assert [ratio_text(r) for r in (9.29, 18.6, 1204.2)] == ["9.3", "19", "1,204"]


def test_which_epoch_is_kept_is_said_where_one_was_chosen() -> None:
    from imbtk.wording import kept_words

    history = [{"epoch": float(epoch), "kept": float(epoch == 1)} for epoch in range(4)]
    config = {"epochs": 9, "early_stop": "corrected_log_loss"}
    assert kept_words(history, config) == (
        "the weights of epoch 2 are kept, the best on validation rows by corrected log-loss; trained: 4 epochs of at "
        "most 9"
    )
    assert str(kept_words(history, {**config, "epochs": 4})).endswith("; trained: all 4 epochs")
    assert kept_words([{"epoch": 0.0}], {**config, "early_stop": "none"}) is None
