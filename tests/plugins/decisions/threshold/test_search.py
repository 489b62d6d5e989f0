"""The search behind thresholds: running sums against counting anew."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk_plugins.decisions.threshold import search
from imbtk_plugins.decisions.threshold.search import METRICS, best_shift, cut_points, lead_of_others


def test_leads_are_those_of_the_best_other_class() -> None:
    logits = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0], [1.0, 0.0, -1.0]])
    np.testing.assert_array_equal(lead_of_others(logits, 0), [-1, 5, -1])
    np.testing.assert_array_equal(lead_of_others(logits, 2), [1, 1, 2])


def test_cuts_lie_between_rows_and_not_within_ties() -> None:
    lead = np.array([1.0, 2.0, 2.0, 4.0])
    np.testing.assert_array_equal(cut_points(lead, np.zeros(4)), [0.0, 1.5, np.nan, 3.0, 5.0])
    np.testing.assert_array_equal(cut_points(lead, np.array([0, 0, 0, 2.5])), [0.0, 1.5, np.nan, np.nan, 5.0])


@pytest.mark.parametrize("classes", [2, 3])
def test_what_the_search_promises_is_what_the_rule_gives(classes: int) -> None:
    """Leads that are equal but for rounding are no place for a cut: adding the shift rounds anew."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = rng.integers(classes, size=200)
        exact = rng.integers(0, 3, size=(200, classes))
        logits = rng.normal(0, 5, size=(200, 1)) + exact * 0.1
        shift = best_shift(logits, labels, "balanced_accuracy", None, range(classes))
        # The same rule on logits that say the same without an offset to round with.
        np.testing.assert_array_equal((logits + shift).argmax(1), (exact * 0.1 + shift).argmax(1))


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_classes_in_another_order_get_the_same_thresholds(metric: str) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(4, size=200)
    logits = rng.normal(size=(200, 4)) + np.eye(4)[labels]
    places = np.array([2, 0, 3, 1])
    shift = best_shift(logits, labels, metric, None, range(4))
    moved = best_shift(logits[:, places], np.argsort(places)[labels], metric, None, np.argsort(places).tolist())
    np.testing.assert_allclose(moved, shift[places])


def test_many_classes_take_a_bounded_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    labels = np.concatenate([np.arange(300), rng.integers(300, size=600)])
    logits = rng.normal(size=(900, 300)) + 1.5 * np.eye(300)[labels]
    steps, best_step = [], search._best_step
    monkeypatch.setattr(search, "_best_step", lambda *a, **k: steps.append(0) or best_step(*a, **k))
    best_shift(logits, labels, "mcc", None, range(300))
    # Each class at least once, and not the twenty rounds that few classes may take.
    assert 300 <= len(steps) <= 3000
