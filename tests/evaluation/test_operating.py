"""Predictive values and errors against coverage, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from imbtk.evaluation.operating import WANTED, operating_points, predictive_values, risk_coverage


def test_each_threshold_is_the_highest_that_reaches_its_sensitivity() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(500) < 0.1
    score = np.round(rng.random(500) * 0.8 + 0.2 * truth, 2)
    points = operating_points(truth, score)
    assert 5 < len(points) <= len(WANTED)
    for point in points:
        (tn, fp), (fn, tp) = confusion_matrix(truth, score >= point.threshold)
        expected = (tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), (tp + fp) / 500)
        assert (point.sensitivity, point.specificity, point.precision, point.alarms) == pytest.approx(expected)
    for wanted in WANTED:
        higher = [t for t in np.unique(score) if (score[truth] >= t).mean() >= wanted - 1e-12]
        assert any(point.threshold == pytest.approx(max(higher)) for point in points)


def test_predictive_values_are_those_of_a_table_with_that_prevalence() -> None:
    truth = np.repeat([0, 1], [900, 100])
    called = np.concatenate([np.arange(900) < 90, np.arange(100) < 80])
    (tn, fp), (fn, tp) = confusion_matrix(truth, called)
    positive, negative = predictive_values(0.8, 0.9, np.array([0.1]))
    assert (positive[0], negative[0]) == pytest.approx((tp / (tp + fp), tn / (tn + fn)))


def test_what_is_never_called_has_no_predictive_value() -> None:
    positive, negative = predictive_values(0.0, 1.0, np.array([0.2]))
    assert np.isnan(positive[0])
    assert negative[0] == pytest.approx(0.8)


def test_rows_of_one_confidence_come_in_together() -> None:
    coverage, risk = risk_coverage(np.array([True, False, True, False]), np.array([0.9, 0.6, 0.6, 0.6]))
    assert coverage.tolist() == [0.25, 1.0]
    assert risk.tolist() == [0.0, 0.5]


def test_long_curves_are_thinned_and_end_at_the_error_rate() -> None:
    rng = np.random.default_rng(0)
    right, confidence = rng.random(5000) < 0.7, rng.random(5000)
    coverage, risk = risk_coverage(right, confidence, most=50)
    assert len(coverage) == 50
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx(1 - right.mean())
    assert (np.diff(coverage) > 0).all()
