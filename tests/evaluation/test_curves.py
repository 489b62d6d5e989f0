import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from imbtk.evaluation.curves import pr_curve_points, reliability_bins, roc_curve_points
from imbtk.evaluation.metrics import Missing


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


def test_reliability_bins_lie_where_the_units_do(scores):
    """Of a class of 10 % every bin has as many units, and scikit-learn's quantile bins say the same."""
    truth, score = scores
    bins = reliability_bins(truth, score)
    assert len(bins) == 15
    assert sum(b["n"] for b in bins) == len(score)
    assert max(b["n"] for b in bins) - min(b["n"] for b in bins) <= 1
    observed, said = calibration_curve(truth, score, n_bins=15, strategy="quantile")
    assert [b["frequency"] for b in bins] == pytest.approx(observed.tolist(), abs=0.01)
    assert [b["confidence"] for b in bins] == pytest.approx(said.tolist(), abs=0.01)
    for b in bins:
        hits = round(b["frequency"] * b["n"])
        interval = stats.binomtest(hits, b["n"]).proportion_ci(method="exact")
        assert (b["lower"], b["upper"]) == pytest.approx((interval.low, interval.high))


def test_no_reliability_point_from_a_single_unit():
    assert reliability_bins(np.array([True]), np.array([0.3])) == []
    assert reliability_bins(np.zeros(0, dtype=bool), np.zeros(0)) == []
    # The one of 0.9 among 39 of 0.1 cannot stand with them, and alone it says nothing.
    bins = reliability_bins(np.arange(40) == 39, np.append(np.full(39, 0.1), 0.9))
    assert [b["n"] for b in bins] == [39]


def test_repeats_of_a_group_make_no_narrower_interval():
    right, score = np.arange(40) % 4 == 0, np.full(40, 0.25)
    (once,) = reliability_bins(right, score)
    (thrice,) = reliability_bins(np.tile(right, 3), np.tile(score, 3), np.tile(np.arange(40), 3))
    assert thrice["n"] == 3 * once["n"]
    assert thrice["upper"] - thrice["lower"] >= once["upper"] - once["lower"]
