"""The class-stratified bootstrap over groups, for all metrics at once.

A resample is a weight for each group, so a metric of all resamples is a few matrix products: rows are never copied.
U groups (or rows where groups are not known), R resamples, N rows, K classes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from imbtk.evaluation.metrics import Predictions, log_losses

__all__ = ["Strata", "bootstrap_weights", "jackknife_weights", "make_strata", "replicate_metrics"]

Array = np.ndarray
_TINY = np.finfo(np.float64).tiny

FAMILIES = ("decisions", "rankings", "probabilities")


@dataclass(frozen=True)
class Strata:
    """Groups, each in one stratum.

    Attributes
    ----------
    unit : ndarray of int64, shape (N,)
        Number of the group that a row belongs to, 0 to U − 1; the row itself where groups are not known.
    stratum : ndarray of int64, shape (U,)
        Class that a group is resampled with: of the classes that it has, the one with the fewest groups.
    sizes : ndarray of int64, shape (K,)
        Groups in each stratum.

    Notes
    -----
    A stratum of one group shows no spread, so it is collapsed into the smallest other one (Cochran 1977, "Sampling
    techniques", section 5A.12): its class is then missing from some resamples, and metrics that need it have no
    interval.
    """

    unit: Array
    stratum: Array
    sizes: Array


def make_strata(labels: Array, groups: Array | None, num_classes: int) -> Strata:
    """Return which groups are resampled with which class.

    Parameters
    ----------
    labels : ndarray of int64, shape (N,)
    groups : ndarray of int64, shape (N,), optional
    num_classes : int
    """
    if groups is None:
        unit, units = np.arange(len(labels)), len(labels)
    else:
        _, unit = np.unique(groups, return_inverse=True)
        units = int(unit.max()) + 1 if len(unit) else 0
    has = np.zeros((units, num_classes), dtype=bool)
    has[unit, labels] = True
    rarity = np.where(has, has.sum(axis=0), units + 1)
    stratum = rarity.argmin(axis=1)
    sizes = np.bincount(stratum, minlength=num_classes)
    while (sizes == 1).any() and (sizes > 0).sum() > 1:
        lone = int(np.flatnonzero(sizes == 1)[0])
        others = np.where((sizes > 0) & (np.arange(num_classes) != lone), sizes, units + 1)
        stratum[stratum == lone] = int(others.argmin())
        sizes = np.bincount(stratum, minlength=num_classes)
    return Strata(unit, stratum, sizes)


def bootstrap_weights(strata: Strata, resamples: int, rng: np.random.Generator) -> Array:
    """Return the weight of each group in each resample, (U, R) float64.

    From the n groups of a stratum n − 1 are drawn with replacement and weighted n / (n − 1), which makes the variance
    right for small n. The one group of data that have only one keeps its weight of 1.

    References
    ----------
    Rao and Wu 1988, "Resampling inference with complex survey data", JASA 83, section 4.1 with m = n − 1.
    """
    weights = np.ones((len(strata.stratum), resamples))
    for k, n in enumerate(strata.sizes.tolist()):
        if n < 2:
            continue
        drawn = rng.integers(n, size=(n - 1, resamples))
        drawn *= resamples
        drawn += np.arange(resamples)
        counts = np.bincount(drawn.ravel(), minlength=n * resamples).reshape(n, resamples)
        weights[strata.stratum == k] = counts * (n / (n - 1))
    return weights


def jackknife_weights(strata: Strata, largest: int, part: slice = slice(None)) -> tuple[Array, Array]:
    """Return the weights that leave out one group each, for strata of 2 to `largest` groups.

    Parameters
    ----------
    strata : Strata
    largest : int
    part : slice
        Which of these groups, J; all by default.

    Returns
    -------
    weights : ndarray of float64, shape (U, J)
    stratum : ndarray of int64, shape (J,)
        Stratum of the group that a column leaves out.
    """
    small = (strata.sizes >= 2) & (strata.sizes <= largest)
    left_out = np.flatnonzero(small[strata.stratum])[part]
    stratum = strata.stratum[left_out]
    n = strata.sizes[stratum].astype(np.float64)
    weights = np.where(strata.stratum[:, None] == stratum, n / np.maximum(n - 1, 1), 1.0)
    weights[left_out, np.arange(len(left_out))] = 0.0
    return weights, stratum


def replicate_metrics(
    predictions: Predictions, unit: Array, weights: Array, families: Collection[str] = FAMILIES
) -> dict[str, Array]:
    """Return the metrics under every set of weights, NaN where one cannot be computed.

    Calibration errors are not among them: resampling adds to their bias.

    Parameters
    ----------
    predictions : Predictions
    unit : ndarray of int64, shape (N,)
    weights : ndarray of float64, shape (U, R)
    families : collection of str
        Which metrics: of decisions, of rankings, of probabilities.

    Returns
    -------
    dict of str to ndarray
        Metrics over all classes of shape (R,), metrics of a class of shape (K, R), the latter named ``class:f1`` and
        so on.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            (_decision_replicates(predictions, unit, weights) if "decisions" in families else {})
            | (_ranking_replicates(predictions, unit, weights) if "rankings" in families else {})
            | (_probability_replicates(predictions, unit, weights) if "probabilities" in families else {})
        )


def _indicator(row: Array, unit: Array, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(row)), (row, unit)), shape=shape).tocsr()


def confusion_replicates(predictions: Predictions, unit: Array, weights: Array) -> Array:
    """Return the confusion counts, truth by decision, of the decided rows under every set of weights, (K, K, R)."""
    k, keep = predictions.num_classes, predictions.decided
    cell = predictions.labels[keep] * k + predictions.predicted[keep]
    cells: Array = _indicator(cell, unit[keep], (k * k, len(weights))) @ weights
    return cells.reshape(k, k, -1)


def _decision_replicates(predictions: Predictions, unit: Array, weights: Array) -> dict[str, Array]:
    confusion = confusion_replicates(predictions, unit, weights)
    right = np.einsum("iir->ir", confusion)
    truth, called, total = confusion.sum(axis=1), confusion.sum(axis=0), confusion.sum(axis=(0, 1))
    sensitivity, f1 = right / truth, 2 * right / (truth + called)
    covariance = right.sum(axis=0) * total - (truth * called).sum(axis=0)
    spread = (total**2 - (truth**2).sum(axis=0)) * (total**2 - (called**2).sum(axis=0))
    return {
        "accuracy": right.sum(axis=0) / total,
        "balanced_accuracy": sensitivity.mean(axis=0),
        "g_mean": np.exp(np.log(sensitivity).mean(axis=0)),
        "macro_f1": f1.mean(axis=0),
        "mcc": covariance / np.sqrt(np.maximum(spread, 0)),
        "class:sensitivity": sensitivity,
        "class:f1": np.where(truth > 0, f1, np.nan),
    }


def _ranking_replicates(predictions: Predictions, unit: Array, weights: Array) -> dict[str, Array]:
    k, r = predictions.num_classes, weights.shape[1]
    auroc, auprc = np.full((k, r), np.nan), np.full((k, r), np.nan)
    for c in range(k):
        truth = predictions.labels == c
        if truth.any() and not truth.all():
            auroc[c], auprc[c] = _ranking(predictions.probabilities[:, c], truth, unit, weights)
    positive = predictions.positive_class
    of_positive = {} if positive is None else {"auroc": auroc[positive], "auprc": auprc[positive]}
    return {
        "class:auroc": auroc,
        "class:auprc": auprc,
        "macro_auroc": auroc.mean(axis=0),
        "macro_auprc": auprc.mean(axis=0),
        **of_positive,
    }


def _ranking(score: Array, truth: Array, unit: Array, weights: Array) -> tuple[Array, Array]:
    """Return AUROC and average precision, each (R,), of one class."""
    positives, negatives, ties = counted(score, truth, unit, weights)
    found, false = positives.cumsum(axis=0), negatives.cumsum(axis=0)
    all_positive, all_negative = found[-1], false[-1]
    beaten = (positives * (all_negative - false + ties / 2)).sum(axis=0)
    precision = found / np.maximum(found + false, _TINY)
    return beaten / (all_positive * all_negative), (positives * precision).sum(axis=0) / all_positive


def counted(score: Array, truth: Array, unit: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return what comes at each distinct score of a class, best first: its rows, the others since, those that tie.

    Each (L + 1, R), the last row being what comes after all of them.

    Notes
    -----
    Only the distinct scores of the positives matter (L levels, best first): negatives are counted between them, so that
    a rare class costs little however many rows there are.
    """
    levels, level = np.unique(-score[truth], return_inverse=True)
    negative = -score[~truth]
    before = np.searchsorted(levels, negative, side="left")
    tie = before < np.searchsorted(levels, negative, side="right")
    shape = (len(levels) + 1, len(weights))
    positives = _indicator(level, unit[truth], shape) @ weights
    negatives = _indicator(before, unit[~truth], shape) @ weights
    ties = _indicator(before[tie], unit[~truth][tie], shape) @ weights
    return positives, negatives, ties


def _probability_replicates(predictions: Predictions, unit: Array, weights: Array) -> dict[str, Array]:
    labels, p = predictions.labels, predictions.probabilities
    rows = np.arange(len(labels))
    target = np.zeros_like(p)
    target[rows, labels] = 1.0
    loss = log_losses(labels, p)
    to_unit = _indicator(unit, rows, (len(weights), len(labels)))
    columns = np.column_stack([np.ones(len(labels)), loss, (p - target) ** 2])
    sums = (to_unit @ columns).T @ weights
    n = sums[0]
    brier = sums[2:] / n
    positive = predictions.positive_class
    return {
        "log_loss": sums[1] / n,
        "brier": brier.sum(axis=0) if positive is None else brier[positive],
        "class:brier": brier,
    }
