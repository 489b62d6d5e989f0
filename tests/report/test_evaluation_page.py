"""What is said of an estimate of class frequencies."""

from __future__ import annotations

from typing import Any

import pytest

from imbtk.report.evaluation_page import prior_words


def prior(**changes: Any) -> dict[str, Any]:
    entry = {"name": "malignant", "in_training": 0.3, "estimate": 0.5, "interval": [0.4, 0.6], "in_data": None}
    return {
        "assumption": "Only frequencies differ.",
        "classes": [entry],
        "deploy": "",
        "unchanged": {"statistic": 9.0, "p_value": 0.0027},
        "confidence": {"seen": 0.8, "expected": 0.9, "z": -3.2, "p_value": 0.001},
        "doubtful": True,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "It does not hold here: the mean largest probability is 0.800, and would be 0.900 if only",
        ),
        ({"doubtful": False}, "Nothing speaks against it here"),
        ({"confidence": None}, "It could not be checked"),
        ({}, "which takes rows as independent, the class frequencies differ from those of the training (p = 0.0027)"),
        ({"unchanged": {"statistic": 0.1, "p_value": 0.7}}, "are not shown to differ"),
    ],
)
def test_the_assumption_and_its_checks_are_said(changes: dict[str, Any], words: str) -> None:
    said = prior_words(prior(**changes))
    assert said[0] == "Only frequencies differ."
    assert words in " ".join(said)


def test_labels_that_say_otherwise_are_named() -> None:
    entry = prior()["classes"][0]
    assert "true share lies outside" not in " ".join(prior_words(prior(classes=[{**entry, "in_data": 0.5}])))
    said = " ".join(prior_words(prior(classes=[{**entry, "in_data": 0.7}])))
    assert "The labels say otherwise for 'malignant': the true share lies outside the interval." in said
