"""What a comparison found, said of a model that was trained on all rows."""

from __future__ import annotations

from typing import Any

import pytest

from imbtk.evaluation.estimate import estimate_of, estimate_words

FOUND: dict[str, Any] = {
    "primary": "auroc",
    "figures": [
        {"metric": "brier", "name": "Brier score", "value": 0.2, "interval": [0.1, 0.3]},
        {"metric": "auroc", "name": "AUROC (ill)", "value": 0.875, "interval": [0.8, 0.95]},
    ],
    "folds": 5,
    "repeats": 3,
    "verdict": "better",
}


def test_the_primary_figure_is_told_with_where_it_comes_from() -> None:
    text = estimate_words(FOUND)
    assert text.startswith("This model was trained on all rows, so no row is left to test it on.")
    assert "(5 folds, 3 times): AUROC (ill) 0.88 (0.80–0.95)." in text
    assert text.endswith(" The comparison's verdict, against doing nothing: better.")
    assert "Brier" not in text


def test_what_there_is_not_is_not_said() -> None:
    text = estimate_words({**FOUND, "repeats": 1, "verdict": None})
    assert "(5 folds): " in text
    assert "verdict" not in text
    with pytest.raises(StopIteration):
        estimate_words({**FOUND, "primary": "mcc"})


def test_a_run_with_test_rows_has_none() -> None:
    assert estimate_of({"test": {}}) is None
    assert estimate_of({"estimate": FOUND}) is FOUND
