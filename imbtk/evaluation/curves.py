"""Points of the curves that a page shows, thinned to what an eye can tell apart."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from imbtk.evaluation.intervals import korn_graubard
from imbtk.evaluation.metrics import Missing

__all__ = ["pr_curve_points", "reliability_bins", "roc_curve_points"]

MOST_POINTS = 200

MOST_BINS, FEWEST_IN_BIN = 15, 20


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


def reliability_bins(
    right: np.ndarray, confidence: np.ndarray, groups: np.ndarray | None = None
) -> list[dict[str, float]]:
    """Return what was said and what came true, in bins with as many units each, so that they lie where the units do.

    Parameters
    ----------
    right : ndarray of bool, shape (N,)
        Whether the unit is of the class (or the most probable class is right).
    confidence : ndarray of float64, shape (N,)
        The probability that was given for it.
    groups : ndarray of int64, shape (N,), optional
        Group (patient) of each unit; units are taken as independent without.

    Returns
    -------
    list of dict
        At most 15, each of at least twenty units where there are as many, none of a single one; units of one confidence
        stay together. ``low`` and ``high`` (the smallest and largest confidence), ``confidence`` (mean),
        ``frequency`` (share that came true) with its 95 % interval ``lower`` to ``upper`` (Clopper and Pearson, on the
        effective number of units), ``n``.

    Notes
    -----
    Bins of equal width put all of a class of 1 % into the first one or two, and leave single units in the others.

    References
    ----------
    Nixon et al. 2019, "Measuring calibration in deep learning", section 3 (adaptive bins).
    """
    if not len(confidence):
        return []
    count = int(np.clip(len(confidence) // FEWEST_IN_BIN, 1, MOST_BINS))
    cuts = np.unique(np.quantile(confidence, np.arange(1, count) / count, method="inverted_cdf"))
    bin_of = np.searchsorted(cuts, confidence, side="left")
    bins = []
    for b in np.unique(bin_of).tolist():
        inside = bin_of == b
        if inside.sum() < 2:
            continue
        lower, upper = korn_graubard(right[inside], None if groups is None else groups[inside])
        bins.append(
            {
                "low": float(confidence[inside].min()),
                "high": float(confidence[inside].max()),
                "confidence": float(confidence[inside].mean()),
                "frequency": float(right[inside].mean()),
                "lower": lower,
                "upper": upper,
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
