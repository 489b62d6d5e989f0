"""What a decision rule means in use: predictive values at other class frequencies, errors against coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["OperatingPoint", "operating_points", "predictive_values", "risk_coverage"]

WANTED = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Sensitivities for which the highest threshold that reaches them is shown."""


@dataclass(frozen=True)
class OperatingPoint:
    """What calling everything from a probability on a class comes to; `alarms` is the share that is called so."""

    threshold: float
    sensitivity: float
    specificity: float
    precision: float
    alarms: float


def operating_points(truth: np.ndarray, score: np.ndarray) -> list[OperatingPoint]:
    """Return what some ten thresholds on a class's probability come to, lowest threshold first.

    Parameters
    ----------
    truth : ndarray of bool, shape (N,)
        With rows of both kinds.
    score : ndarray of float64, shape (N,)

    Returns
    -------
    list of OperatingPoint
        The highest threshold that reaches each sensitivity of :data:`WANTED`, each threshold once.
    """
    from sklearn.metrics import roc_curve  # not where only a plan is shown

    false, found, thresholds = roc_curve(truth, score, drop_intermediate=False)
    share, points = float(np.mean(truth)), []
    for place in sorted({int(np.argmax(found >= wanted - 1e-12)) for wanted in WANTED}, reverse=True):
        hits, alarms = share * found[place], share * found[place] + (1 - share) * false[place]
        values = (thresholds[place], found[place], 1 - false[place], hits / alarms, alarms)
        points.append(OperatingPoint(*map(float, values)))
    return points


MOST_POINTS = 200


def predictive_values(sensitivity: float, specificity: float, prevalence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected positive and negative predictive value at each prevalence.

    Parameters
    ----------
    sensitivity, specificity : float
        Of the positive class, in [0, 1]; taken to be the same everywhere.
    prevalence : ndarray of float64, shape (P,)
        In (0, 1).

    Returns
    -------
    positive, negative : ndarray of float64, shape (P,)
        NaN where nothing would be called so.

    References
    ----------
    Altman & Bland 1994, "Diagnostic tests 2: predictive values", BMJ 309 (Bayes' theorem).

    Examples
    --------
    >>> positive, negative = predictive_values(0.9, 0.9, np.array([0.1, 0.5]))
    >>> positive.round(3).tolist(), negative.round(3).tolist()
    ([0.5, 0.9], [0.988, 0.9])
    """
    prevalence = np.asarray(prevalence, dtype=np.float64)
    found, missed = sensitivity * prevalence, (1 - sensitivity) * prevalence
    spared, alarmed = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    with np.errstate(invalid="ignore"):
        return found / (found + alarmed), spared / (spared + missed)


def risk_coverage(right: np.ndarray, confidence: np.ndarray, most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each level of confidence, the share of rows that are decided and the share of those that are wrong.

    Parameters
    ----------
    right : ndarray of bool, shape (N,), N at least 1
        Whether the decision would be right.
    confidence : ndarray of float64, shape (N,)
    most : int
        At most so many points.

    Returns
    -------
    coverage, risk : ndarray of float64, shape (P,)
        By rising coverage, the last point at 1. Rows of one confidence come in together.

    References
    ----------
    Chow 1970, "On optimum recognition error and reject tradeoff", IEEE Transactions on Information Theory 16(1).
    El-Yaniv & Wiener 2010, "On the foundations of noise-free selective classification", section 2.

    Examples
    --------
    >>> coverage, risk = risk_coverage(np.array([True, True, False, True]), np.array([0.9, 0.8, 0.7, 0.6]))
    >>> coverage.tolist(), risk.round(3).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.333, 0.25])
    """
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~np.asarray(right, dtype=bool)[order])
    last = np.append(np.flatnonzero(np.diff(confidence[order]) != 0), len(order) - 1)
    if len(last) > most:
        last = last[np.unique(np.linspace(0, len(last) - 1, most).round().astype(np.int64))]
    return (last + 1) / len(order), wrong[last] / (last + 1)
