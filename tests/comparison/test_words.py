"""What a comparison says in words."""

from __future__ import annotations

from typing import Any

import pytest

from imbtk.comparison.comparison import Comparison
from imbtk.comparison.words import (
    headline_sentences,
    interaction_words,
    p_value,
    protocol_sentences,
    row_warnings,
    unit_noun,
)
from imbtk.evaluation.metric_table import OVERALL_METRICS


@pytest.mark.parametrize(("p", "text"), [(0.0002, "< 0.001"), (0.0312, "= 0.031"), (0.3456, "= 0.35")])
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text


def entry(together: float, alone: tuple[float, float], p: float | None) -> dict[str, Any]:
    value = together - sum(alone)
    return {"parts": ["A", "B"], "together": together, "alone": list(alone), "value": value, "p_holm": p}


def test_interactions() -> None:
    accuracy = OVERALL_METRICS["accuracy"]
    assert interaction_words(entry(0.012, (0.02, 0.01), 0.004), accuracy, "accuracy") == (
        "'A' and 'B' together: +1.2 points in accuracy, worse than 'A' alone (+2.0 points); that is worse than the two "
        "alone add up to (p = 0.004)."
    )
    words = interaction_words(entry(0.03, (0.0, 0.01), 0.3), accuracy, "accuracy")
    assert "better than 'B' alone (+1.0 points); no evidence that the two do not simply add up (p = 0.30)." in words
    assert interaction_words(entry(0.03, (0.0, 0.01), None), accuracy, "accuracy").endswith("cannot be judged.")


def test_a_figure_that_is_no_share_has_no_points() -> None:
    """Less log-loss is better, and its differences are no percentage points."""
    words = interaction_words(entry(-0.012, (-0.02, 0.01), 0.004), OVERALL_METRICS["log_loss"], "log-loss")
    assert words == (
        "'A' and 'B' together: −0.012 in log-loss, worse than 'A' alone (−0.020); that is better than the two alone "
        "add up to (p = 0.004)."
    )
    figures = {"brier (ill)": "brier", "MCC": "mcc", "log-loss": "log_loss"}
    assert not [name for name, key in figures.items() if "points" in OVERALL_METRICS[key].difference(0.1)]


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
    assert row_warnings(rows, [])[0].startswith("groups are not known: splits, intervals and tests assume")


def test_units_are_what_the_rows_are(simulate, finished: Comparison) -> None:  # type: ignore[no-untyped-def]
    document = {**finished.document, "data": {**finished.document["data"], "kind": "images"}}
    assert unit_noun(document) == "patient"
    document["data"]["groups"] = None
    assert unit_noun({**document, "unit": "row"}) == "image"
    rows, _ = simulate(0, grouped=False)
    assert "no two images come from one group" in row_warnings(rows, [], "image")[0]
