"""Points of the curves that a page shows, thinned to what an eye can tell apart."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from imbtk.evaluation.metrics import CALIBRATION_BINS, Missing, calibration_bin

__all__ = ["pr_curve_points", "reliability_bins", "roc_curve_points"]

MOST_POINTS = 200


def roc_curve_points(
    truth: np.ndarray, score: np.ndarray, most: int = MOST_POINTS
) -> tuple[np.ndarray, np.ndarray] | Missing:
    """Return false-positive rate and sensitivity, each (P,), P at most `most`, from (0, 0) to (1, 1).

    Parameters
    ----------
    truth : ndarray of bool, shape (N,)
        Whether a unit is of the class.
    score : ndarray of float64, shape (N,)
        The class's probability.
    most : int
        At least 2.
    """
    missing = _one_sided(truth)
    if missing:
        return missing
    rate, sensitivity, _ = roc_curve(truth, score)
    keep = _thin(rate + sensitivity, most)
    return rate[keep], sensitivity[keep]


def pr_curve_points(
    truth: np.ndarray, score: np.ndarray, most: int = MOST_POINTS
) -> tuple[np.ndarray, np.ndarray] | Missing:
    """Return sensitivity (recall) and precision, each (P,), P at most `most`, by rising sensitivity.

    To be drawn as steps (``steps-pre``): linear interpolation between the points is too optimistic (Davis and Goadrich
    2006, section 4). Parameters as in :func:`roc_curve_points`.
    """
    missing = _one_sided(truth)
    if missing:
        return missing
    precision, sensitivity, _ = precision_recall_curve(truth, score)
    precision, sensitivity = precision[::-1], sensitivity[::-1]
    keep = _thin(sensitivity + np.append(0.0, np.abs(np.diff(precision)).cumsum()), most)
    return sensitivity[keep], precision[keep]


def reliability_bins(right: np.ndarray, confidence: np.ndarray) -> list[dict[str, float]]:
    """Return, for each of the 15 equal-width bins that has units, what was said and what came true.

    Parameters
    ----------
    right : ndarray of bool, shape (N,)
        Whether the unit is of the class (or the most probable class is right).
    confidence : ndarray of float64, shape (N,)
        The probability that was given for it.

    Returns
    -------
    list of dict
        ``low`` and ``high`` (the bin), ``confidence`` (mean probability), ``frequency`` (share that came true), ``n``.
        ``Σ n |confidence − frequency| / N`` is the calibration error of the metrics.
    """
    bin_of = calibration_bin(confidence)
    bins = []
    for b in np.unique(bin_of).tolist():
        inside = bin_of == b
        bins.append(
            {
                "low": b / CALIBRATION_BINS,
                "high": (b + 1) / CALIBRATION_BINS,
                "confidence": float(confidence[inside].mean()),
                "frequency": float(right[inside].mean()),
                "n": int(inside.sum()),
            }
        )
    return bins


def _one_sided(truth: np.ndarray) -> Missing | None:
    if not truth.any():
        return Missing("no row of the class")
    return Missing("all rows are of the class") if truth.all() else None


def _thin(length: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` positions, evenly spread along a curve's `length`, the first and the last among them."""
    if len(length) <= most:
        return np.arange(len(length))
    wanted = np.linspace(length[0], length[-1], most)
    keep = np.unique(np.searchsorted(length, wanted).clip(0, len(length) - 1))
    keep[0], keep[-1] = 0, len(length) - 1
    return keep
