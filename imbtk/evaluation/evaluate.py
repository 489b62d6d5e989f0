"""All metrics of one side of a split, with their intervals, as ``metrics.json`` holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.evaluation.bootstrap import RESAMPLES
from imbtk.evaluation.groups import per_group
from imbtk.evaluation.intervals import CONFIDENCE
from imbtk.evaluation.levels import Asked, level_metrics, missing_metric
from imbtk.evaluation.metrics import Missing, Predictions, rarer_class
from imbtk.evaluation.sets import set_metrics
from imbtk.wording import several

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["evaluate", "metrics_document"]


def evaluate(
    labels: np.ndarray,
    logits: np.ndarray,
    calibration: CalibrationMap,
    decision: DecisionRule,
    class_names: Sequence[str],
    *,
    groups: np.ndarray | None = None,
    group_truth: np.ndarray | None = None,
    group_name: str = "group",
    train_counts: Sequence[int] | np.ndarray | None = None,
    positive: int | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    extra_metrics: Mapping[str, ExtraMetric] | None = None,
) -> dict[str, Any]:
    """Return every metric of one side, per row and per group, as plain JSON values.

    Parameters
    ----------
    labels : ndarray of int64, shape (N,)
    logits : ndarray of float64, shape (N, K)
        As trained.
    calibration : CalibrationMap
        How they become probabilities.
    decision : DecisionRule
        How a class is picked.
    class_names : sequence of str, length K
    groups : ndarray of int64, shape (N,), optional
        Patient of each row; None where that is not known.
    group_truth : ndarray of int64, shape (N,), optional
        The class of each row's group; without it the class of its rows, and no metrics per group where rows of one
        group have several.
    group_name : str
        What a group is called.
    train_counts : sequence of int, length K, optional
        Training rows per class, for many-, medium- and few-shot metrics.
    positive : int, optional
        The positive class of binary data; the one that is rarer in training unless given.
    seed : int
        Of the bootstrap.
    resamples : int
    extra_metrics : mapping of str to callable, optional
        ``(labels, probabilities) -> float``, NaN where it cannot be computed.

    Returns
    -------
    dict
        A ``side`` of ``metrics.schema.json``.

    Raises
    ------
    ValueError
        If shapes disagree or a value is no class or no probability.
    """
    logits = np.asarray(logits, dtype=np.float64)
    probabilities = calibration.probabilities(logits)
    rows = Predictions(
        np.asarray(labels, dtype=np.int64),
        decision.decide(logits, probabilities),
        probabilities,
        tuple(str(name) for name in class_names),
        None if groups is None else np.asarray(groups, dtype=np.int64),
        _positive(len(class_names), positive, train_counts),
    )
    asked = Asked(train_counts, group_name, seed, resamples, extra_metrics or {})
    grouped = per_group(rows, logits, decision, group_truth, group_name)
    sets = {}
    if decision.sets is not None:
        sets["sets"] = set_metrics(decision.in_set(logits), rows.labels, rows.groups, rows.class_names)
    return {
        "per_row": level_metrics(rows, "row", asked),
        "per_group": missing_metric(grouped)
        if isinstance(grouped, Missing)
        else level_metrics(grouped, "group", asked),
        **sets,
    }


def _positive(num_classes: int, positive: int | None, train_counts: Sequence[int] | np.ndarray | None) -> int | None:
    """Return the positive class of binary data: the one given, else the one that is rarer in training."""
    if positive is not None or num_classes != 2:
        return positive
    return rarer_class((1, 1) if train_counts is None else train_counts)


def metrics_document(
    sides: Mapping[str, Mapping[str, Any]],
    *,
    class_names: Sequence[str],
    group_name: str = "group",
    group_label: str | None = None,
    positive: int | None = None,
    train_counts: Sequence[int] | np.ndarray | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return what ``metrics.json`` holds beside its ``schema_version``.

    Parameters
    ----------
    sides : mapping
        ``"validation"`` and ``"test"``, or one of them, each from :func:`evaluate`.
    class_names, group_name, positive, train_counts, seed, resamples
        As they were given to :func:`evaluate`.
    group_label : str, optional
        The rule that `group_truth` was made by: ``any:CLASS``, ``majority`` or ``column:NAME``.
    """
    positive = _positive(len(class_names), positive, train_counts)
    return {
        "class_names": [str(name) for name in class_names],
        "positive_class": None if positive is None else str(class_names[positive]),
        "group_name": group_name,
        "group_label": group_label,
        "train_counts": None if train_counts is None else [int(count) for count in train_counts],
        "confidence_level": CONFIDENCE,
        "conditional_on": (
            f"given this trained model: intervals say how the metrics would vary over new {several(group_name)} (or "
            "rows) from where these came, not over another training, another split or another place"
        ),
        "bootstrap_resamples": resamples,
        "seed": seed,
        **sides,
    }
