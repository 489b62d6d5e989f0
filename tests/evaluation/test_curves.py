import numpy as np
import pytest
from sklearn import metrics as reference

from imbtk.evaluation.curves import pr_curve_points, reliability_bins, roc_curve_points
from imbtk.evaluation.metrics import Missing, Predictions, class_figures, overall_figures


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    truth = rng.random(5000) < 0.1
    return truth, 1 / (1 + np.exp(-rng.normal(size=5000) - 1.5 * truth + 2))


def test_roc_points_keep_the_area(scores):
    rate, sensitivity = roc_curve_points(*scores)
    assert len(rate) <= 200
    assert (rate[0], sensitivity[0], rate[-1], sensitivity[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(sensitivity, rate) == pytest.approx(reference.roc_auc_score(*scores), abs=2e-3)


def test_pr_points_keep_the_area(scores):
    sensitivity, precision = pr_curve_points(*scores)
    assert len(sensitivity) <= 200
    assert (np.diff(sensitivity) >= 0).all()
    area = (np.diff(sensitivity) * precision[1:]).sum()
    assert area == pytest.approx(reference.average_precision_score(*scores), abs=0.01)


def test_short_curves_are_whole():
    truth, score = np.array([True, False, True]), np.array([0.9, 0.5, 0.4])
    rate, sensitivity = roc_curve_points(truth, score)
    assert rate.tolist() == [0, 0, 1, 1]
    assert sensitivity.tolist() == [0, 0.5, 0.5, 1]


@pytest.mark.parametrize("curve", [roc_curve_points, pr_curve_points])
def test_one_sided_truth_has_no_curve(curve):
    assert curve(np.zeros(3, bool), np.ones(3)) == Missing("no row of the class")
    assert curve(np.ones(3, bool), np.ones(3)) == Missing("all rows are of the class")


def test_reliability_bins_add_up_to_the_calibration_error():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), 400)
    labels = rng.integers(0, 3, 400)
    predictions = Predictions(labels, p.argmax(axis=1), p, "abc")
    expected = overall_figures(predictions, class_figures(predictions))["ece"]
    bins = reliability_bins(p.argmax(axis=1) == labels, p.max(axis=1))
    assert sum(b["n"] for b in bins) == 400
    assert sum(b["n"] * abs(b["confidence"] - b["frequency"]) for b in bins) / 400 == pytest.approx(expected)
    assert all(b["low"] < b["confidence"] <= b["high"] for b in bins)
