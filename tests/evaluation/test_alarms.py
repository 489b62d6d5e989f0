"""What finding a rare class costs: against scikit-learn, with weights and ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from imbtk.evaluation.alarms import call_all_costs, decision_costs, partial_auroc, sensitivity_at_specificity
from imbtk.evaluation.metrics import Predictions


def predictions(seed: int, n: int = 80, ties: int = 12) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = np.append([0, 1], rng.random(n - 2) < 0.3).astype(np.int64)
    score = np.clip(rng.integers(0, ties, n) / ties + 0.2 * labels, 0, 1)
    p = np.column_stack([1 - score, score])
    return Predictions(labels, (score > 0.5).astype(np.int64), p, ("no", "yes"), positive=1)


def weights_of(seed: int, p: Predictions) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([np.ones(len(p.labels)), rng.integers(1, 4, (len(p.labels), 4))]).astype(np.float64)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([3, 12, 10_000]), st.sampled_from([0.05, 0.1, 0.3, 0.99]))
def test_partial_auroc_is_scikit_learns(seed: int, ties: int, largest: float) -> None:
    p = predictions(seed, ties=ties)
    w = weights_of(seed, p)
    got = partial_auroc(p, np.arange(len(p.labels)), w, largest)
    for r in range(w.shape[1]):
        expected = reference.roc_auc_score(p.labels, p.probabilities[:, 1], sample_weight=w[:, r], max_fpr=largest)
        assert got[r] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([3, 12, 10_000]), st.sampled_from([0.5, 0.9, 0.99]))
def test_sensitivity_at_a_specificity_is_on_scikit_learns_curve(seed: int, ties: int, specificity: float) -> None:
    p = predictions(seed, ties=ties)
    w = weights_of(seed, p)
    got = sensitivity_at_specificity(p, np.arange(len(p.labels)), w, specificity)
    for r in range(w.shape[1]):
        rate, found, _ = reference.roc_curve(
            p.labels, p.probabilities[:, 1], sample_weight=w[:, r], drop_intermediate=False
        )
        assert got[r] == pytest.approx(found[rate <= 1 - specificity + 1e-12].max(), abs=1e-9)


def test_precision_and_alarms_are_scikit_learns_and_arithmetic() -> None:
    p = predictions(1)
    w = weights_of(1, p)
    cost = np.array([[0.0, 1.0], [20.0, 3.0]])
    got = decision_costs(p, np.arange(len(p.labels)), w, cost)
    for r in range(w.shape[1]):
        expected = reference.precision_score(p.labels, p.predicted, sample_weight=w[:, r])
        assert got["precision"][r] == pytest.approx(expected)
        assert got["alarm_rate"][r] == pytest.approx(np.average(p.predicted == 1, weights=w[:, r]))
        assert got["expected_cost"][r] == pytest.approx(np.average(cost[p.labels, p.predicted], weights=w[:, r]))


def test_by_hand() -> None:
    # 100 rows, 4 ill: 3 found, 9 false alarms, 1 missed.
    labels = np.repeat([1, 1, 0, 0], [3, 1, 9, 87])
    called = np.repeat([1, 0, 1, 0], [3, 1, 9, 87])
    p = Predictions(labels, called, np.full((100, 2), 0.5), ("well", "ill"), positive=1)
    got = decision_costs(p, np.arange(100), np.ones((100, 1)), np.array([[0.0, 1.0], [50.0, 0.0]]))
    assert {name: float(values[0]) for name, values in got.items()} == {
        "precision": 0.25,
        "alarm_rate": 0.12,
        "expected_cost": pytest.approx((9 * 1 + 1 * 50) / 100),
    }
    assert call_all_costs(labels, np.array([[0.0, 1.0], [50.0, 0.0]])) == pytest.approx([4 * 50 / 100, 96 / 100])


def test_nothing_called_so_has_no_precision() -> None:
    p = Predictions(np.array([0, 1]), np.array([0, 0]), np.full((2, 2), 0.5), ("a", "b"), positive=1)
    got = decision_costs(p, np.arange(2), np.ones((2, 1)))
    assert np.isnan(got["precision"][0])
    assert got["alarm_rate"][0] == 0
    assert "expected_cost" not in got
