"""Estimated class frequencies against simulations in which the posterior is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from imbtk.evaluation.prior_shift import compare_confidence, estimate_prior

CENTRES = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])
TRAINED = np.array([0.6, 0.3, 0.1])
HERE = np.array([0.2, 0.3, 0.5])


def draw(rng: np.random.Generator, n: int, prior: np.ndarray, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.choice(len(prior), n, p=prior)
    return labels, CENTRES[labels] + spread * rng.normal(size=(n, 2))


def posterior(x: np.ndarray, prior: np.ndarray) -> np.ndarray:
    distance = ((x[:, None] - CENTRES) ** 2).sum(axis=2)
    return np.asarray(softmax(-distance / 2 + np.log(prior), axis=1))


def test_frequencies_are_found_and_their_intervals_cover() -> None:
    rng = np.random.default_rng(0)
    covered, refused = [], []
    for _ in range(150):
        found = estimate_prior(posterior(draw(rng, 400, HERE)[1], TRAINED), TRAINED)
        covered.append((found.intervals[:, 0] <= HERE) & (found.intervals[:, 1] >= HERE))
        same = estimate_prior(posterior(draw(rng, 400, TRAINED)[1], TRAINED), TRAINED)
        refused.append(same.p_value < 0.05)
    assert ((np.mean(covered, axis=0) > 0.89) & (np.mean(covered, axis=0) <= 1)).all()
    assert np.mean(refused) < 0.11
    large = estimate_prior(posterior(draw(rng, 20000, HERE)[1], TRAINED), TRAINED)
    np.testing.assert_allclose(large.prior, HERE, atol=0.02)
    assert large.p_value < 1e-10
    assert large.prior.sum() == pytest.approx(1)


def test_two_classes_reach_the_largest_likelihood() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(0.5, 1.5, size=300)
    probabilities, given = np.stack([1 - p, p], axis=1), np.array([0.7, 0.3])
    found = estimate_prior(probabilities, given)
    ratios = probabilities / given
    best = minimize_scalar(lambda q: -np.log(ratios @ [1 - q, q]).sum(), bounds=(0, 1), method="bounded")
    assert found.prior[1] == pytest.approx(best.x, abs=1e-4)
    gain = 2 * (np.log(ratios @ found.prior).sum() - np.log(ratios @ given).sum())
    assert found.statistic == pytest.approx(gain)


def test_patients_widen_intervals() -> None:
    rng = np.random.default_rng(2)
    once = posterior(draw(rng, 100, HERE)[1], TRAINED)
    alone = estimate_prior(once, TRAINED)
    copies = estimate_prior(np.repeat(once, 4, axis=0), TRAINED, np.repeat(np.arange(100), 4))
    np.testing.assert_allclose(copies.prior, alone.prior, atol=1e-6)
    np.testing.assert_allclose(copies.intervals, alone.intervals, atol=1e-4)
    naive = estimate_prior(np.repeat(once, 4, axis=0), TRAINED)
    assert (np.diff(naive.intervals, axis=1) < np.diff(alone.intervals, axis=1)).all()


def test_a_class_that_is_not_there_gets_nothing_and_no_interval() -> None:
    probabilities = np.tile([[0.9, 0.1]], (50, 1))
    found = estimate_prior(probabilities, np.array([0.5, 0.5]))
    np.testing.assert_allclose(found.prior, [1, 0], atol=1e-6)
    assert np.isnan(found.intervals).all()
    kept = estimate_prior(np.array([[0.5, 0.5, 0.0]] * 4), np.array([0.5, 0.5, 0.0]))
    assert kept.prior[2] == 0


def test_confidence_tells_more_than_a_shift_of_frequencies() -> None:
    rng = np.random.default_rng(3)
    doubted = {1.0: 0, 2.0: 0}
    for spread in doubted:
        for _ in range(60):
            labels, known = draw(rng, 600, TRAINED)
            new = posterior(draw(rng, 600, HERE, spread)[1], TRAINED)
            prior = estimate_prior(new, TRAINED).prior
            found = compare_confidence(new, None, posterior(known, TRAINED), labels, None, prior)
            assert found is not None
            doubted[spread] += found.p_value < 0.05
    assert doubted[1.0] <= 8
    assert doubted[2.0] >= 55


def test_confidence_cannot_be_compared_without_reference_rows() -> None:
    p = np.array([[0.5, 0.5], [0.6, 0.4]])
    assert compare_confidence(p, None, p, np.array([0, 0]), None, np.array([0.5, 0.5])) is None
    one = np.zeros(2, dtype=np.int64)
    assert compare_confidence(p, one, p, np.array([0, 1]), None, np.array([0.5, 0.5])) is None
