"""From rows to groups: one prediction for each group of rows, formed without the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imbtk.authoring.prediction import DecisionRule, pooled
from imbtk.evaluation.metrics import Missing, Predictions
from imbtk.wording import several

__all__ = ["mixed_groups", "per_group"]


def mixed_groups(labels: np.ndarray, groups: np.ndarray) -> int:
    """Return how many groups have rows of more than one class."""
    pairs = np.unique(np.column_stack([groups, labels]), axis=0)
    _, classes = np.unique(pairs[:, 0], return_counts=True)
    return int((classes > 1).sum())


def per_group(
    predictions: Predictions,
    logits: np.ndarray | None = None,
    rule: DecisionRule | None = None,
    truth: np.ndarray | None = None,
    noun: str = "group",
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
    truth : ndarray of int64, shape (N,), optional
        The class of each row's group; the class of its rows without it.
    noun : str
        What a group is called.

    Returns
    -------
    Predictions or Missing
        Missing where groups are not known, where every group has one row, or where rows of a group have several classes
        and nobody said what class the group is: to tell its parts apart would take the truth, which is not known of new
        data.
    """
    groups = predictions.groups
    if groups is None:
        return Missing(f"{several(noun)} are not known")
    if not len(groups):
        return Missing("no rows")
    order = np.argsort(groups, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(groups[order]) != 0) + 1)
    if len(starts) == len(groups):
        return Missing(f"every {noun} has one row")
    if truth is None and (mixed := mixed_groups(predictions.labels, groups)):
        have = "has" if mixed == 1 else "have"
        return Missing(
            f"{mixed} of {len(starts)} {several(noun)} {have} rows of several classes, so metrics are per row, and "
            f"their intervals resample {several(noun)}. Say what class such a {noun} is with --group-label any:CLASS, "
            "majority, or column:NAME"
        )
    probabilities = predictions.probabilities[order]
    scores, mean = pooled(probabilities if logits is None else logits[order], probabilities, starts)
    if logits is None:
        with np.errstate(divide="ignore"):
            scores = np.log(mean)
    predicted = (rule or DecisionRule(on="probabilities")).decide(scores, mean)
    first = order[starts]
    labels = predictions.labels if truth is None else truth
    return replace(predictions, labels=labels[first], predicted=predicted, probabilities=mean, groups=groups[first])
