"""Class frequencies of unlabelled rows, estimated from a classifier's probabilities, and whether that can be trusted.

The one assumption is *label shift*: only class frequencies differ from the data that the probabilities were calibrated
on, and within a class rows look the same. Another scanner, stain or population breaks it, and the estimate with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, expit, logit, ndtr, stdtrit

__all__ = ["PriorEstimate", "PriorShiftTest", "compare_confidence", "estimate_prior"]

_ROUNDS = 10_000
_STILL = 1e-9
_TAIL = 0.975


@dataclass(frozen=True)
class PriorEstimate:
    """Estimated class frequencies.

    Attributes
    ----------
    prior : ndarray of float64, shape (K,)
        Sums to one.
    intervals : ndarray of float64, shape (K, 2)
        95 % intervals, which take the classifier as it is and know of patients; NaN for a class estimated at 0 or 1.
    statistic, p_value : float
        Likelihood-ratio test that the frequencies are still the given ones, χ² with K - 1 degrees of freedom. It takes
        rows as independent: with several rows a patient its p-value is too small.
    """

    prior: np.ndarray
    intervals: np.ndarray
    statistic: float
    p_value: float


def estimate_prior(
    probabilities: np.ndarray, given_prior: np.ndarray, groups: np.ndarray | None = None
) -> PriorEstimate:
    """Return the class frequencies under which unlabelled rows are most likely.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (N, K), N at least 1
        Calibrated at `given_prior`.
    given_prior : ndarray of float64, shape (K,)
        A class without mass stays without.
    groups : ndarray of int64, shape (N,), optional
        Patient of each row, for the intervals.

    Notes
    -----
    EM: with ratios r_ik = p(k | x_i) / π_k, the likelihood of a prior q is Π_i Σ_k q_k r_ik, concave in q; each round
    takes for q the mean of the posteriors q_k r_ik / Σ_j q_j r_ij. The intervals come from the sandwich of the
    likelihood's curvature and the spread of its slope between patients, on the logit scale.

    References
    ----------
    Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities: a simple
    procedure", Neural Computation 14(1), eq. 2.9 (EM) and the likelihood-ratio test of its section on testing.
    """
    given = np.asarray(given_prior, dtype=np.float64)
    present = given > 0
    ratios = np.where(present, probabilities / np.where(present, given, 1.0), 0.0)
    prior = given.copy()
    for _ in range(_ROUNDS):
        posterior = prior * ratios
        posterior /= posterior.sum(axis=1, keepdims=True)
        new = posterior.mean(axis=0)
        moved = float(np.abs(new - prior).max())
        prior = new
        if moved < _STILL:
            break
    statistic = 2 * float((np.log(ratios @ prior) - np.log(ratios @ given)).sum())
    statistic = max(statistic, 0.0)
    freedom = int(present.sum()) - 1
    p_value = float(chdtrc(freedom, statistic)) if freedom else 1.0
    return PriorEstimate(prior, _intervals(ratios, prior, groups), statistic, p_value)


def _intervals(ratios: np.ndarray, prior: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return 95 % intervals (K, 2) of the prior that makes rows with these likelihood ratios most likely."""
    intervals = np.full((len(prior), 2), np.nan)
    inside = np.flatnonzero((prior > 1e-6) & (prior < 1 - 1e-6))
    if len(inside) < 2:
        return intervals
    scaled = ratios[:, inside] / (ratios @ prior)[:, None]
    # One class gives way to the others: frequencies sum to one.
    slope = scaled[:, :-1] - scaled[:, -1:]
    number = np.arange(len(slope)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(number.max()) + 1
    if count < 2:
        return intervals
    summed = np.zeros((count, slope.shape[1]))
    np.add.at(summed, number, slope)
    curvature = np.linalg.pinv(slope.T @ slope)
    inner = curvature @ (summed.T @ summed) @ curvature * count / (count - 1)
    spread = np.sqrt(np.append(np.diag(inner), inner.sum()).clip(min=0))
    share = prior[inside]
    reach = stdtrit(count - 1, _TAIL) * spread / (share * (1 - share))
    intervals[inside] = expit(logit(share)[:, None] + np.stack([-reach, reach], axis=1))
    return intervals


@dataclass(frozen=True)
class PriorShiftTest:
    """How sure the model is of new rows, against how sure it would be if only class frequencies differed.

    Attributes
    ----------
    seen, expected : float
        Mean of the largest probability.
    z : float
        Their difference in standard errors.
    p_value : float
        Two-sided.
    """

    seen: float
    expected: float
    z: float
    p_value: float


def compare_confidence(
    probabilities: np.ndarray,
    groups: np.ndarray | None,
    reference: np.ndarray,
    reference_labels: np.ndarray,
    reference_groups: np.ndarray | None,
    prior: np.ndarray,
) -> PriorShiftTest | None:
    """Return whether new rows are as sure as labelled reference rows, weighted to the new class frequencies.

    If only class frequencies differ, the mean of the largest probability over the new rows is that over the reference
    rows of each class, averaged by the new frequencies. A difference shows that something else differs too; none does
    not show that nothing does.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (N, K)
    groups : ndarray of int64, shape (N,), optional
    reference : ndarray of float64, shape (M, K)
        By the same calibration.
    reference_labels : ndarray of int64, shape (M,)
    reference_groups : ndarray of int64, shape (M,), optional
    prior : ndarray of float64, shape (K,)
        Estimated frequencies of the new rows.

    Returns
    -------
    PriorShiftTest or None
        None where a class that matters has no reference rows, or the spread cannot be told.
    """
    seen, variance = _clustered_mean(probabilities.max(axis=1), groups)
    expected = 0.0
    for k in np.flatnonzero(prior > 1e-6):
        own = reference_labels == k
        if not own.any():
            return None
        mean, spread = _clustered_mean(
            reference[own].max(axis=1), None if reference_groups is None else reference_groups[own]
        )
        expected += prior[k] * mean
        variance += prior[k] ** 2 * spread
    if not np.isfinite(variance) or variance <= 0:
        return None
    z = (seen - expected) / float(np.sqrt(variance))
    return PriorShiftTest(seen, float(expected), float(z), float(2 * ndtr(-abs(z))))


def _clustered_mean(values: np.ndarray, groups: np.ndarray | None) -> tuple[float, float]:
    """Return a mean and its variance between groups, infinite where there is one group only."""
    number = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count, mean = int(number.max()) + 1, float(values.mean())
    if count < 2:
        return mean, float("inf")
    sums = np.bincount(number, weights=values - mean)
    return mean, float((sums**2).sum() / len(values) ** 2 * count / (count - 1))
