"""What a comparison says in words."""

from __future__ import annotations

from typing import Any

import pytest

from imbtk.comparison import Comparison
from imbtk.comparison.words import (
    headline_sentences,
    interaction_words,
    p_value,
    points,
    protocol_sentences,
    row_warnings,
)


@pytest.mark.parametrize(("p", "text"), [(0.0002, "< 0.001"), (0.0312, "= 0.031"), (0.3456, "= 0.35")])
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text


def test_points_have_a_sign() -> None:
    assert [points(v) for v in (0.012, -0.012, -0.0001)] == ["+1.2", "−1.2", "+0.0"]


def entry(together: float, alone: tuple[float, float], p: float | None) -> dict[str, Any]:
    value = together - sum(alone)
    return {"parts": ["A", "B"], "together": together, "alone": list(alone), "value": value, "p_holm": p}


def test_interactions() -> None:
    assert interaction_words(entry(0.012, (0.02, 0.01), 0.004), "balanced accuracy", 1.0) == (
        "'A' and 'B' together: +1.2 points of balanced accuracy, less than 'A' alone (+2.0); that is less than the two "
        "alone add up to (p = 0.004)."
    )
    assert "more than 'B' alone (+1.0); no evidence that the two do not simply add up (p = 0.30)." in interaction_words(
        entry(0.03, (0.0, 0.01), 0.3), "accuracy", 1.0
    )
    assert interaction_words(entry(0.03, (0.0, 0.01), None), "accuracy", 1.0).endswith("cannot be judged.")


def test_the_headline_names_what_helps_and_what_the_decision_alone_does(finished: Comparison) -> None:
    text = " ".join(headline_sentences(finished.document))
    assert "Training nothing else and only moving the decision gives" in text
    assert "Judged over patients, by one test for each plan" in text
    for row in finished.document["rows"]:
        if row["kind"] == "plan":
            assert f"“{row['name']}”" in text


def test_methods_say_what_was_done(finished: Comparison) -> None:
    text = " ".join(protocol_sentences(finished.document))
    for part in (
        "3 stratified folds, 2 times",
        "21 patients",
        "Korn and Graubard 1998",
        "Nadeau and Bengio",
        "margin of 0.1",
    ):
        assert part in text
    assert "McNemar" not in text


def test_abstentions_are_warned_of(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, _ = simulate(0, patients=(25, 25))
    assert row_warnings(rows, [{"name": "x", "coverage": 1.0}]) == []
    (text,) = row_warnings(rows, [{"name": "x", "coverage": 0.9}])
    assert text.startswith("'x' leaves 10.0% of the rows open")


def test_unknown_patients_are_warned_of(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, _ = simulate(0, grouped=False)
    assert row_warnings(rows, [])[0].startswith("groups (patients) are not known: splits, intervals and tests assume")
