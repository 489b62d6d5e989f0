"""From rows to patients: one prediction for each group of rows."""

from __future__ import annotations

import numpy as np

from imbtk.evaluation.metrics import Missing, Predictions
from imbtk.prediction import DecisionRule, pooled

__all__ = ["group_starts", "mixed_groups", "per_group"]


def mixed_groups(labels: np.ndarray, groups: np.ndarray) -> int:
    """Return how many groups have rows of more than one class."""
    pairs = np.unique(np.column_stack([groups, labels]), axis=0)
    _, classes = np.unique(pairs[:, 0], return_counts=True)
    return int((classes > 1).sum())


def group_starts(labels: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the row order that brings each (group, label) together, and where each begins in it."""
    order = np.lexsort((labels, groups))
    new = (np.diff(groups[order]) != 0) | (np.diff(labels[order]) != 0)
    return order, np.append(0, np.flatnonzero(new) + 1)


def per_group(
    predictions: Predictions, logits: np.ndarray | None = None, rule: DecisionRule | None = None
) -> Predictions | Missing:
    """Return one prediction for each group: the mean of its rows' probabilities, and the decision on it.

    Parameters
    ----------
    predictions : Predictions
        Of rows.
    logits : ndarray of float64, shape (N, K), optional
        The rows' logits as trained. A rule that looks at logits is given, for each group, the logarithm of the mean of
        their softmax; without `logits` the logarithm of the mean probability.
    rule : DecisionRule, optional
        How a class is picked; the most probable one without it.

    Returns
    -------
    Predictions or Missing
        Missing where groups are not known, or where every group has one row.

    Notes
    -----
    A group with rows of two classes (a patient with two tumour types) becomes one unit for each class: only rows of one
    class are averaged. Such units keep their common group, so that intervals know of it.
    """
    groups = predictions.groups
    if groups is None:
        return Missing("groups (patients) are not known")
    if not len(groups):
        return Missing("no rows")
    order, starts = group_starts(predictions.labels, groups)
    if len(starts) == len(groups):
        return Missing("every group has one row")
    probabilities = predictions.probabilities[order]
    scores, mean = pooled(probabilities if logits is None else logits[order], probabilities, starts)
    if logits is None:
        with np.errstate(divide="ignore"):
            scores = np.log(mean)
    predicted = (rule or DecisionRule(on="probabilities")).decide(scores, mean)
    first = order[starts]
    return Predictions(predictions.labels[first], predicted, mean, predictions.class_names, groups[first])
