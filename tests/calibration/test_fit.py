"""Calibration against known posteriors, scikit-learn's logistic regression and arithmetic on paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.linear_model import LogisticRegression

from imbtk.calibration import fit as calibration
from imbtk.calibration.fit import calibration_metrics, fit_to_ledger, ledger_shift, prior_weights
from imbtk.evaluation.metrics import Predictions, class_metrics, overall_metrics

NATURAL = np.array([0.95, 0.05])
UNIFORM = np.array([0.5, 0.5])


def scores(rows: int, prior: np.ndarray, seed: int = 0, apart: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn from `prior`, and the logits of the Bayes classifier for equal frequencies."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(2, rows, p=prior)
    x = rng.normal(size=rows) + apart * labels
    odds = apart * x - apart**2 / 2
    return np.stack([-odds / 2, odds / 2], axis=1), labels


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities[:, 1]) - np.log(probabilities[:, 0])


def test_the_ledgers_shift_is_the_log_of_the_ratio_of_priors() -> None:
    shift = ledger_shift(np.array([0.9, 0.1, 0.0]), np.array([0.45, 0.4, 0.15]))
    assert shift == pytest.approx([np.log(2), np.log(0.25), 0.0])


def test_weights_bring_class_frequencies_to_the_prior() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    weights = prior_weights(labels, np.array([0.9, 0.1]))
    assert weights == pytest.approx([1.8, 1.8, 1.8, 0.2, 0.2, 0.2])
    # A class that the rows do not have is left out, and one without mass weighs nothing.
    assert prior_weights(np.array([0, 0, 2]), np.array([0.6, 0.4, 0.0])) == pytest.approx([1.5, 1.5, 0.0])
    assert prior_weights(np.array([1]), np.array([1.0, 0.0])) == pytest.approx([1.0])


def test_a_network_that_follows_the_ledger_reaches_the_posterior() -> None:
    logits, labels = scores(4000, NATURAL)
    fit = fit_to_ledger(logits, labels, NATURAL, UNIFORM, exact=True)
    fresh, truth = scores(100_000, NATURAL, seed=1)
    posterior = log_softmax(fresh + np.log(NATURAL), axis=1)
    best = -posterior[np.arange(len(truth)), truth].mean()
    assert calibration_metrics(truth, fit.map.probabilities(fresh))["log_loss"] < 1.005 * best
    assert fit.spread <= 0.1


def test_few_rows_stay_with_the_ledger() -> None:
    logits, labels = scores(25, NATURAL, seed=3)
    assert labels.sum() >= 1
    fit = fit_to_ledger(logits, labels, NATURAL, UNIFORM, exact=True)
    assert fit.map.shift is not None
    assert np.diff(fit.map.shift) == pytest.approx(np.diff(ledger_shift(NATURAL, UNIFORM)), rel=0.03)
    assert fit.temperature == pytest.approx(1.0, abs=0.05)


def test_rows_that_repeat_each_other_count_once() -> None:
    logits, labels = scores(80, NATURAL, seed=3)
    once = fit_to_ledger(logits, labels, NATURAL, UNIFORM, exact=True)
    groups = np.repeat(np.arange(80), 25)
    repeated = [np.repeat(values, 25, axis=0) for values in (logits, labels)]
    grouped = fit_to_ledger(*repeated, NATURAL, UNIFORM, exact=True, groups=groups)
    assert grouped.design_effect == pytest.approx(25)
    np.testing.assert_allclose(grouped.map.shift, once.map.shift, rtol=1e-6)
    assert grouped.map.scale == pytest.approx(once.map.scale)
    # Taken for independent rows they say 25 times as much.
    alone = fit_to_ledger(*repeated, NATURAL, UNIFORM, exact=True)
    assert alone.design_effect == 1.0
    assert np.abs(np.subtract(alone.map.shift, once.map.shift)).max() > 0.05


def test_groups_of_one_row_and_of_unrelated_rows_change_nothing() -> None:
    logits, labels = scores(2000, np.array([0.5, 0.5]))
    plain = fit_to_ledger(logits, labels, UNIFORM, NATURAL, exact=False)
    single = fit_to_ledger(logits, labels, UNIFORM, NATURAL, exact=False, groups=np.arange(2000)[::-1])
    np.testing.assert_array_equal(single.map.shift, plain.map.shift)
    assert single.map.scale == plain.map.scale
    mixed = fit_to_ledger(logits, labels, UNIFORM, NATURAL, exact=False, groups=np.arange(2000) % 200)
    assert mixed.design_effect < 1.3


def test_few_patients_stay_nearer_to_the_ledger_and_do_better_on_fresh_ones() -> None:
    def cohort(patients: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        labels = np.repeat((rng.random(patients) < 0.1).astype(np.int64), 20)
        own = np.repeat(rng.normal(size=patients), 20)
        odds = (rng.normal(size=len(labels)) + own + labels - 0.5) / 2
        return np.stack([-odds / 2, odds / 2], axis=1), labels, np.repeat(np.arange(patients), 20)

    fresh, truth, _ = cohort(3000, 99)
    natural, losses = np.array([0.9, 0.1]), []
    for seed in range(12):
        logits, labels, groups = cohort(25, seed)
        fits = [fit_to_ledger(logits, labels, natural, UNIFORM, True, groups=known) for known in (None, groups)]
        losses.append([calibration_metrics(truth, fit.map.probabilities(fresh))["log_loss"] for fit in fits])
    by_rows, by_patients = np.mean(losses, axis=0)
    assert by_patients < by_rows - 0.005


@pytest.mark.parametrize("exact", [True, False])
def test_a_network_that_forgot_its_weights_is_found_out(exact: bool) -> None:
    logits, labels = scores(4000, NATURAL)
    overconfident = 4 * (logits + np.log(NATURAL))
    fit = fit_to_ledger(overconfident, labels, NATURAL, UNIFORM, exact)
    fresh, _ = scores(1000, NATURAL, seed=1)
    said = log_odds(fit.map.probabilities(4 * (fresh + np.log(NATURAL))))
    assert np.abs(said - log_odds(np.exp(log_softmax(fresh + np.log(NATURAL), axis=1)))).max() < 0.6
    assert fit.temperature == pytest.approx(4.0, rel=0.15)


def test_the_measured_shift_is_that_of_logistic_regression() -> None:
    logits, labels = scores(5000, NATURAL, seed=5)
    reference = LogisticRegression(C=1e8).fit((logits[:, 1] - logits[:, 0])[:, None], labels)
    fit = fit_to_ledger(2 * logits + [0.7, 0.0], labels, np.bincount(labels) / len(labels), UNIFORM, exact=False)
    # The offset is multiplied by the scale as well: undo it on paper.
    scale = float(reference.coef_[0, 0]) / 2
    assert fit.map.scale == pytest.approx(scale, rel=0.03)
    assert float(np.diff(fit.measured)[0]) == pytest.approx(float(reference.intercept_[0]) + 0.7 * scale, abs=0.05)


def test_validation_rows_of_other_frequencies_are_weighted() -> None:
    logits, labels = scores(4000, UNIFORM)
    fit = fit_to_ledger(logits, labels, NATURAL, UNIFORM, exact=False)
    fresh, _ = scores(50_000, NATURAL, seed=1)
    rare = fit.map.probabilities(fresh)[:, 1]
    assert rare.mean() == pytest.approx(0.05, rel=0.1)


def test_classes_are_not_told_apart_by_their_place() -> None:
    rng = np.random.default_rng(0)
    prior = np.array([0.7, 0.2, 0.1])
    labels = rng.choice(3, 600, p=prior)
    logits = rng.normal(size=(600, 3)) + 2 * np.eye(3)[labels]
    order = np.array([2, 0, 1])
    place = np.argsort(order)
    one = fit_to_ledger(logits, labels, prior, np.full(3, 1 / 3), exact=True)
    other = fit_to_ledger(logits[:, order], place[labels], prior[order], np.full(3, 1 / 3), exact=True)
    assert np.allclose(one.map.probabilities(logits)[:, order], other.map.probabilities(logits[:, order]), atol=1e-6)


def test_a_class_without_validation_rows_keeps_the_ledgers_shift() -> None:
    rng = np.random.default_rng(0)
    prior, effective = np.array([0.6, 0.3, 0.1]), np.full(3, 1 / 3)
    labels = rng.choice(2, 2000, p=[2 / 3, 1 / 3])
    logits = 2 * np.eye(3)[labels] + rng.normal(size=(2000, 3))
    fit = fit_to_ledger(logits, labels, prior, effective, exact=True)
    assert fit.map.shift is not None
    assert fit.map.shift[2] == pytest.approx(np.log(0.3), rel=0.5)
    assert np.isfinite(fit.map.log_probabilities(logits)).all()


def test_many_classes_take_fewer_informations_to_the_same_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    natural = np.full(40, 1 / 40)
    labels = rng.integers(0, 40, 600)
    logits = 3 * rng.normal(size=(600, 40)) + 4 * np.eye(40)[labels] + rng.normal(size=40)
    made: list[int] = []
    whole = calibration._Problem._information

    def counted(self: calibration._Problem, x: np.ndarray) -> np.ndarray:
        made.append(len(x))
        return whole(self, x)

    monkeypatch.setattr(calibration._Problem, "_information", counted)
    fits, counts = [], []
    for few in (100, 0):
        monkeypatch.setattr(calibration, "_FEW", few)
        made.clear()
        fits.append(fit_to_ledger(logits, labels, natural, natural, exact=False))
        counts.append(len(made))
    np.testing.assert_allclose(fits[1].map.shift, fits[0].map.shift, atol=1e-4)
    assert fits[1].map.scale == pytest.approx(fits[0].map.scale, rel=1e-5)
    assert (fits[1].spread, fits[1].temperature_spread) == (fits[0].spread, fits[0].temperature_spread)
    assert counts[1] < 0.6 * counts[0]


def test_nothing_to_fit_is_the_ledger() -> None:
    prior = np.array([0.9, 0.1, 0.0])
    effective = np.array([0.5, 0.5, 0.0])
    for labels in (np.array([], dtype=np.int64), np.array([0, 0]), np.array([2, 2])):
        fit = fit_to_ledger(np.zeros((len(labels), 3)), labels, prior, effective, exact=True)
        assert fit.map.shift == pytest.approx([np.log(1.8), np.log(0.2), 0.0])
        assert fit.temperature == 1.0


def test_separated_rows_and_huge_logits_stay_finite() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    for size in (1.0, 1e3, 1e6):
        logits = size * np.stack([labels == 0, labels == 1], axis=1)
        fit = fit_to_ledger(logits, labels, np.array([0.75, 0.25]), UNIFORM, exact=False)
        assert np.isfinite(fit.map.log_probabilities(logits)).all()
        assert np.isfinite(fit.measured).all()


def test_figures_are_those_of_the_evaluation() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 300)
    labels = rng.integers(0, 3, 300)
    predictions = Predictions(labels, probabilities.argmax(1), probabilities, ("a", "b", "c"))
    reference = overall_metrics(predictions, class_metrics(predictions))
    found = calibration_metrics(labels, probabilities)
    assert found == pytest.approx({name: reference[name] for name in found})


def test_a_weight_of_two_is_a_row_twice() -> None:
    rng = np.random.default_rng(0)
    p = expit(rng.normal(size=50))
    probabilities, labels = np.stack([1 - p, p], axis=1), rng.integers(0, 2, 50)
    times = rng.integers(1, 4, 50)
    repeated = np.repeat(np.arange(50), times)
    assert calibration_metrics(labels, probabilities, times.astype(float)) == pytest.approx(
        calibration_metrics(labels[repeated], probabilities[repeated])
    )


def test_log_loss_of_a_certain_mistake_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss

    labels, probabilities = np.array([0, 1]), np.array([[0.0, 1.0], [0.2, 0.8]])
    assert calibration_metrics(labels, probabilities)["log_loss"] == pytest.approx(log_loss(labels, probabilities))


def test_rows_that_chose_the_epoch_may_temper_and_not_sharpen() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [300, 300])
    even = np.full(2, 0.5)
    truth = np.where(labels == 1, 1.0, -1.0) + rng.normal(size=600)
    # The log-odds of two Gaussians two deviations apart are twice the place: said half as sure, and twice as sure.
    for said, sharpened in ((truth, 2.0), (4 * truth, 0.5)):
        logits = np.stack([np.zeros(600), said], axis=1)
        free = fit_to_ledger(logits, labels, even, even, exact=True)
        held = fit_to_ledger(logits, labels, even, even, exact=True, chose_epoch=True)
        assert free.map.scale == pytest.approx(sharpened, rel=0.15)
        assert held.map.scale == (1.0 if sharpened > 1 else pytest.approx(free.map.scale))
        # A criterion that is known to be unsure of itself, such as the focal loss, has to be sharpened all the same.
        loose = fit_to_ledger(logits, labels, even, even, exact=False, chose_epoch=True)
        assert loose.map.scale == pytest.approx(free.map.scale, rel=0.05)
