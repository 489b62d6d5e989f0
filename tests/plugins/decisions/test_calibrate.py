"""Calibration methods against scikit-learn and known posteriors."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from imbtk import CalibrationMap, RunContext
from imbtk.errors import OptionError
from imbtk_plugins.decisions.calibrate import Calibrate


def rows(n=3000, rare=0.1, seed=0):
    """Return the Bayes logits at equal frequencies, and labels at a frequency of `rare`."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < rare).astype(np.int64)
    odds = 2 * (rng.normal(size=n) + 2 * labels) - 2
    return np.stack([-odds / 2, odds / 2], axis=1), labels


def context(labels, effective=(0.5, 0.5)):
    counts = torch.bincount(torch.from_numpy(labels), minlength=2)
    return RunContext(
        ("common", "rare"),
        counts,
        counts,
        torch.from_numpy(labels),
        effective_prior=None if effective is None else torch.tensor(effective, dtype=torch.float64),
        validation_counts=counts,
    )


def fitted(method, logits, labels, where=None, start=None):
    where = where or context(labels)
    return Calibrate(method=method).imbtk_calibrate(start or CalibrationMap(), logits, labels, where)


def test_none_is_the_softmax():
    logits, labels = rows()
    assert fitted("none", logits, labels).probabilities(logits) == pytest.approx(softmax(logits, axis=1))


def test_temperature_keeps_the_ledgers_shift():
    logits, labels = rows()
    found = fitted("temperature", 3 * logits, labels)
    share = labels.mean()
    assert found.shift == pytest.approx([np.log(2 * (1 - share)), np.log(2 * share)])
    assert 1 / found.scale == pytest.approx(3.0, rel=0.1)
    unknown = fitted("temperature", logits, labels, context(labels, effective=None))
    assert unknown.shift == pytest.approx([0.0, 0.0])


def test_vector_is_logistic_regression():
    logits, labels = rows()
    reference = LogisticRegression(C=1e8).fit((logits[:, 1] - logits[:, 0])[:, None], labels)
    found = fitted("vector", logits, labels)
    assert found.scale == pytest.approx(reference.coef_[0, 0], rel=0.01)
    assert np.diff(found.shift)[0] == pytest.approx(reference.intercept_[0], abs=0.02)


def test_rows_of_other_frequencies_are_weighted():
    """Validation rows with equal classes, training rows with one in ten: probabilities are those of one in ten."""
    logits, labels = rows(6000, rare=0.5)
    natural = context(rows(6000, rare=0.1)[1])
    fresh, truth = rows(50_000, rare=0.1, seed=1)
    share = float(natural.natural_counts[1]) / 6000
    best = log_softmax(fresh + np.log([1 - share, share]), axis=1)[np.arange(50_000), truth].mean()
    for method in ("temperature", "vector", "isotonic"):
        start = CalibrationMap(1.0, np.log([1 - share, share]))
        found = fitted(method, logits, labels, natural, start)
        reached = found.log_probabilities(fresh)[np.arange(50_000), truth].mean()
        assert reached > 1.03 * best  # both negative: at most 3 % worse


def test_isotonic_is_scikit_learns_between_its_knots():
    logits, labels = rows()
    start = CalibrationMap(0.8, np.array([0.4, -0.4]))
    found = fitted("isotonic", logits, labels, start=start)
    p = start.probabilities(logits)
    edge = 1 / (len(labels) + 2)
    curves = [IsotonicRegression(y_min=edge, y_max=1 - edge).fit(p[:, k], labels == k).predict(p[:, k]) for k in (0, 1)]
    expected = np.stack(curves, axis=1)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities(logits), expected, atol=1e-6)
    assert np.isfinite(found.log_probabilities(100 * logits)).all()
    assert CalibrationMap.from_json(found.to_json()).probabilities(logits) == pytest.approx(found.probabilities(logits))


def test_isotonic_on_few_rows_is_refused_before_training():
    where = context(rows()[1])
    Calibrate(method="isotonic").check_run(where)
    few = dataclasses.replace(where, validation_counts=torch.tensor([900, 99]))
    message = r"method' of strategy 'calibrate' \(given: 'isotonic'\) asks for 1,000 validation rows and there are 999"
    with pytest.raises(OptionError, match=message):
        Calibrate(method="isotonic").check_run(few)
    for method in ("temperature", "vector", "none"):
        Calibrate(method=method).check_run(few)


@pytest.mark.parametrize("method", ["temperature", "vector", "none"])
def test_absent_classes_and_separated_rows_are_finite(method):
    labels = np.array([0] * 40 + [1] * 10)
    logits = 20.0 * np.stack([labels == 0, labels == 1, labels == 5], axis=1)
    counts = torch.tensor([40, 10, 0])
    where = RunContext(
        ("a", "b", "c"), counts, counts, torch.from_numpy(labels), effective_prior=torch.tensor([0.5, 0.5, 0.0])
    )
    found = Calibrate(method=method).imbtk_calibrate(CalibrationMap(), logits, labels, where)
    assert np.isfinite(found.log_probabilities(logits)).all()


def test_no_rows_leave_the_map_alone():
    start = CalibrationMap(0.5)
    where = context(rows()[1])
    empty = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    assert Calibrate().imbtk_calibrate(start, *empty, where) is start


def test_methods_are_checked():
    with pytest.raises(OptionError, match="option 'method' of strategy 'calibrate'"):
        Calibrate(method="platt")
