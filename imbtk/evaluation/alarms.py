"""What finding a rare class costs: precision, alarms, expected cost, and rankings where alarms must be few.

As :mod:`imbtk.evaluation.resampling` does, for all resamples at once. U groups, R resamples, N rows, K classes; L
distinct scores of the positive class.
"""

from __future__ import annotations

import numpy as np

from imbtk.evaluation.metrics import Predictions
from imbtk.evaluation.resampling import confusion_replicates, counted

__all__ = ["call_all_costs", "decision_costs", "partial_auroc", "sensitivity_at_specificity"]

Array = np.ndarray


def decision_costs(
    predictions: Predictions, unit: Array, weights: Array, cost: Array | None = None
) -> dict[str, Array]:
    """Return precision and alarm rate of the positive class, and the expected cost, each (R,), over decided rows.

    Parameters
    ----------
    predictions : Predictions
    unit : ndarray of int64, shape (N,)
    weights : ndarray of float64, shape (U, R)
    cost : ndarray of float64, shape (K, K), optional
        ``cost[truth, decided]``.

    Returns
    -------
    dict of str to ndarray
        ``precision`` (NaN where nothing was called so) and ``alarm_rate``, the share that is called positive, where one
        of two classes is; ``expected_cost``, a row's mean, where there is a cost matrix.
    """
    confusion = confusion_replicates(predictions, unit, weights)
    total, positive = confusion.sum(axis=(0, 1)), predictions.positive_class
    found: dict[str, Array] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        if positive is not None:
            called = confusion[:, positive].sum(axis=0)
            found["precision"] = confusion[positive, positive] / called
            found["alarm_rate"] = called / total
        if cost is not None:
            found["expected_cost"] = np.einsum("ij,ijr->r", cost, confusion) / total
    return found


def call_all_costs(labels: Array, cost: Array) -> Array:
    """Return the expected cost of deciding every row for the same class, for each of the classes, (K,)."""
    shares = np.bincount(labels, minlength=len(cost)) / len(labels)
    return np.asarray(shares @ cost)


def sensitivity_at_specificity(predictions: Predictions, unit: Array, weights: Array, specificity: float) -> Array:
    """Return the highest sensitivity, (R,), of a threshold whose specificity is at least `specificity`.

    Between two thresholds nothing is interpolated: it is reached by a rule that can be used.
    """
    ends, _ = _corners(predictions, unit, weights)
    rate, found = ends
    allowed = rate <= 1 - specificity + 1e-12
    return np.asarray(np.where(allowed, found, 0.0).max(axis=0))


def partial_auroc(predictions: Predictions, unit: Array, weights: Array, largest: float) -> Array:
    """Return the area under the ROC curve up to a false positive rate, standardised: 0.5 is chance, 1 perfect, (R,).

    Parameters
    ----------
    predictions : Predictions
    unit : ndarray of int64, shape (N,)
    weights : ndarray of float64, shape (U, R)
    largest : float
        Largest false positive rate, in (0, 1).

    References
    ----------
    McClish 1989, "Analyzing a portion of the ROC curve", Medical Decision Making 9.
    """
    (rate, found), (rate_before, found_before) = _corners(predictions, unit, weights)
    start = np.zeros((1, rate.shape[1]))
    # Between two positives' scores only negatives come: a level stretch, then a slope where a score ties.
    flat = _area(np.vstack([start, rate[:-1]]), found_before, rate_before, found_before, largest)
    slope = _area(rate_before, found_before, rate, found, largest)
    area, least = (flat + slope).sum(axis=0), largest**2 / 2
    return np.asarray(0.5 * (1 + (area - least) / (largest - least)))


def _area(x0: Array, y0: Array, x1: Array, y1: Array, largest: float) -> Array:
    """Return the area under straight lines from (x0, y0) to (x1, y1), as far as x is at most `largest`."""
    width = np.clip(np.minimum(x1, largest) - x0, 0, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(x1 > x0, width / (x1 - x0), 0.0)
    return np.asarray(width * (y0 + (y0 + share * (y1 - y0))) / 2)


def _corners(predictions: Predictions, unit: Array, weights: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return the corners of the ROC curve: false positive rate and sensitivity, each (L + 1, R).

    First those at each distinct score of a positive, best first, and at last all rows called so; then those just above.
    """
    positive = predictions.positive_class
    if positive is None:
        raise ValueError("there is a positive class only of two")
    truth, score = predictions.labels == positive, predictions.probabilities[:, positive]
    positives, negatives, ties = counted(score, truth, unit, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        found, false = positives.cumsum(axis=0), negatives.cumsum(axis=0)
        found, rate, tied = found / found[-1], false / false[-1], ties / false[-1]
    before = np.vstack([np.zeros((1, found.shape[1])), found[:-1]])
    return (rate, found), (rate - tied, before)
