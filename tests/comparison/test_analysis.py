"""What ``comparison.json`` says."""

from __future__ import annotations

import pytest

from imbtk.comparison.comparison import Comparison
from imbtk.comparison.grid import BASELINE


def test_rows_are_best_first_with_differences_to_the_baseline(finished: Comparison) -> None:
    rows = finished.document["rows"]
    values = [row["figures"]["balanced_accuracy"]["value"] for row in rows]
    assert values == sorted(values, reverse=True)
    base = next(row for row in rows if row["name"] == BASELINE)
    assert "difference" not in base
    for row in rows:
        if row is base:
            continue
        difference = row["difference"]["value"]
        expected = row["figures"]["balanced_accuracy"]["value"] - base["figures"]["balanced_accuracy"]["value"]
        assert difference == pytest.approx(expected)
        assert row["difference"]["p_holm"] >= row["difference"]["p"]
        assert row["equivalence"]["p_equivalent_holm"] >= row["equivalence"]["p_equivalent"]


def test_the_interaction_is_what_the_pair_adds(finished: Comparison) -> None:
    (found,) = finished.document["interactions"]
    assert found["pair"] == "class-weights focal-loss"
    assert found["value"] == pytest.approx(found["together"] - sum(found["alone"]))
    assert found["words"].startswith("'class-weights' and 'focal-loss' together: ")


def test_few_groups_are_flagged_and_the_condition_is_said(finished: Comparison) -> None:
    document = finished.document
    assert any("class 'ill' has 7 patients, fewer than 20" in warning for warning in document["warnings"])
    assert document["conditional_on"].startswith("given these trained models")
