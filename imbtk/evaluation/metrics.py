"""Metrics of labelled predictions, each a number or the reason why there is none.

N units (rows or patients), K classes. A metric that cannot be computed is a :class:`Missing`, never 0.
``docs/statistics.md`` gives the formula and the source of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    matthews_corrcoef,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from imbtk.authoring.prediction import ABSTAIN

__all__ = [
    "CALIBRATION_BINS",
    "FEW_SHOT",
    "MANY_SHOT",
    "Missing",
    "Predictions",
    "Value",
    "calibration_bin",
    "class_metrics",
    "confusion_counts",
    "log_losses",
    "overall_metrics",
    "rarer_class",
    "shot_classes",
]

CALIBRATION_BINS = 15
"""Equal-width bins of a calibration error (Guo et al. 2017, section 2)."""

MANY_SHOT, FEW_SHOT = 100, 20
"""Many-shot classes have more training rows than the first, few-shot ones fewer than the second (Liu et al. 2019)."""


@dataclass(frozen=True)
class Missing:
    """A metric that cannot be computed, and why."""

    reason: str


Value = float | Missing


@dataclass(frozen=True)
class Predictions:
    """What was predicted for labelled units.

    Attributes
    ----------
    labels : ndarray of int64, shape (N,)
    predicted : ndarray of int64, shape (N,)
        -1 where the decision rule abstained.
    probabilities : ndarray of float64, shape (N, K)
        Rows sum to one.
    class_names : sequence of str, length K
        At least two.
    groups : ndarray of int64, shape (N,), optional
        Which units come from one patient; None where that is not known.
    positive : int, optional
        The positive class of binary data; the rarer one unless given.

    Raises
    ------
    ValueError
        If there are fewer than two classes, lengths differ, a label or prediction is no class, a probability is none,
        or a positive class is given that is none of two.
    """

    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    class_names: Sequence[str]
    groups: np.ndarray | None = None
    positive: int | None = None

    def __post_init__(self) -> None:
        n, k = len(self.labels), len(self.class_names)
        if k < 2:
            raise ValueError("an evaluation needs at least two classes")
        if self.positive is not None and not (k == 2 and self.positive in (0, 1)):
            raise ValueError(f"there is no positive class {self.positive} among {k} classes: two have one, 0 or 1")
        if self.probabilities.shape != (n, k):
            raise ValueError(f"probabilities have shape {self.probabilities.shape}, labels and names ask for {(n, k)}")
        if len(self.predicted) != n or (self.groups is not None and len(self.groups) != n):
            raise ValueError(f"predicted classes, groups and labels must have the same length ({n})")
        if n and (self.labels.min() < 0 or self.labels.max() >= k):
            raise ValueError(f"labels must lie in 0..{k - 1}")
        if n and (self.predicted.min() < ABSTAIN or self.predicted.max() >= k):
            raise ValueError(f"predicted classes must lie in 0..{k - 1}, or be {ABSTAIN} for an abstention")
        if not np.isfinite(self.probabilities).all() or (self.probabilities < 0).any():
            raise ValueError("probabilities must be finite and not negative")
        if n and np.abs(self.probabilities.sum(axis=1) - 1).max() > 1e-4:
            raise ValueError("the probabilities of each row must sum to one")

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @property
    def positive_class(self) -> int | None:
        """The class that the metrics of binary data are of; None for more than two classes."""
        if self.positive is not None or self.num_classes > 2:
            return self.positive
        return rarer_class(np.bincount(self.labels, minlength=2))

    @property
    def decided(self) -> np.ndarray:
        """Where the decision rule did not abstain, bool of shape (N,)."""
        return np.asarray(self.predicted != ABSTAIN)


def rarer_class(counts: Sequence[int] | np.ndarray) -> int:
    """Return the class of binary data that has fewer rows; the second one where both have as many."""
    return 0 if counts[0] < counts[1] else 1


def confusion_counts(predictions: Predictions) -> np.ndarray:
    """Return how many decided units of each true class (rows) got each class (columns), (K, K) int64."""
    keep = predictions.decided
    classes = np.arange(predictions.num_classes)
    if not keep.any():
        return np.zeros((len(classes), len(classes)), dtype=np.int64)
    counts = confusion_matrix(predictions.labels[keep], predictions.predicted[keep], labels=classes)
    return np.asarray(counts, dtype=np.int64)


def calibration_bin(probability: np.ndarray) -> np.ndarray:
    """Return the equal-width bin, 0 to 14, of each probability; the upper edge of a bin belongs to it."""
    above = np.ceil(probability * CALIBRATION_BINS).astype(np.int64)
    return np.asarray(np.clip(above - 1, 0, CALIBRATION_BINS - 1))


def log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return −log of the true class's probability of each row, (N,); clipped as scikit-learn's ``log_loss`` does."""
    chosen = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    least = np.finfo(np.float64).eps
    return np.asarray(-np.log(np.clip(chosen, least, 1 - least)))


def shot_classes(train_counts: Sequence[int] | np.ndarray) -> dict[str, list[int]]:
    """Return the classes that are many-shot (> 100 training rows), medium-shot and few-shot (< 20).

    References
    ----------
    Liu et al. 2019, "Large-scale long-tailed recognition in an open world", section 4.
    """
    shots: dict[str, list[int]] = {"many": [], "medium": [], "few": []}
    for k, count in enumerate(train_counts):
        shots["many" if count > MANY_SHOT else "few" if count < FEW_SHOT else "medium"].append(k)
    return shots


def class_metrics(predictions: Predictions) -> list[dict[str, Value]]:
    """Return the metrics of each class against the rest.

    Sensitivity, specificity, precision and F1 are over decided units; AUROC, AUPRC (average precision), Brier (mean of
    ``(p_k − [y = k])²``) and calibration error over all.
    """
    decisions = _decision_metrics(predictions)
    return [figures | _score_metrics(predictions, k) for k, figures in enumerate(decisions)]


def _decision_metrics(predictions: Predictions) -> list[dict[str, Value]]:
    keep, names = predictions.decided, predictions.class_names
    if not keep.any():
        return [dict.fromkeys(("sensitivity", "specificity", "precision", "f1"), Missing("no decided rows"))] * len(
            names
        )
    truth, called, classes = predictions.labels[keep], predictions.predicted[keep], np.arange(len(names))
    precision, sensitivity, f1, _ = precision_recall_fscore_support(truth, called, labels=classes, zero_division=0)
    tables = multilabel_confusion_matrix(truth, called, labels=classes)
    entries = []
    for name, p, r, f, ((tn, fp), (fn, tp)) in zip(names, precision, sensitivity, f1, tables, strict=True):
        absent = Missing(f"no decided row of class {name!r}")
        alone = Missing(f"no decided row of a class other than {name!r}")
        never = Missing(f"class {name!r} was never predicted")
        entry: dict[str, Value] = {
            "sensitivity": float(r) if tp + fn else absent,
            "specificity": float(tn / (tn + fp)) if tn + fp else alone,
            "precision": float(p) if tp + fp else never,
            "f1": float(f) if tp + fn else absent,
        }
        entries.append(entry)
    return entries


def _score_metrics(predictions: Predictions, k: int) -> dict[str, Value]:
    truth, score = predictions.labels == k, predictions.probabilities[:, k]
    name = predictions.class_names[k]
    if not len(truth):
        return dict.fromkeys(("auroc", "auprc", "brier", "calibration_error"), Missing("no rows"))
    only = Missing(f"no row of class {name!r}" if not truth.any() else f"all rows are of class {name!r}")
    return {
        "auroc": float(roc_auc_score(truth, score)) if truth.any() and not truth.all() else only,
        "auprc": float(average_precision_score(truth, score)) if truth.any() and not truth.all() else only,
        "brier": float(np.mean((score - truth) ** 2)),
        "calibration_error": _calibration_error(score, truth),
    }


def _calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    gap = np.bincount(calibration_bin(confidence), weights=confidence - right, minlength=CALIBRATION_BINS)
    return float(np.abs(gap).sum() / len(confidence))


def overall_metrics(predictions: Predictions, per_class: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Return the metrics over all classes, and of two classes those of the positive one.

    Parameters
    ----------
    predictions : Predictions
    per_class : sequence of mapping
        What :func:`class_metrics` gave.

    Returns
    -------
    dict
        By the keys of :data:`imbtk.evaluation.metric_table.OVERALL_METRICS`. Of two classes ``auroc``, ``auprc``,
        ``auprc_floor`` (the class's share) and ``brier`` are the positive one's; of more there are only the means over
        classes, ``macro_auroc`` and ``macro_auprc``, and ``brier`` is the sum over classes.

    Notes
    -----
    A mean over classes is missing when one of them is: a mean over the classes that happen to be there would compare
    nothing. (`balanced_accuracy_score` of scikit-learn leaves absent classes out.)
    """
    figures = _decisions_overall(predictions, per_class)
    figures |= {f"macro_{name}": _macro(per_class, name) for name in ("auroc", "auprc")}
    figures |= _probabilities_overall(predictions)
    figures["classwise_ece"] = _macro(per_class, "calibration_error")
    if (positive := predictions.positive_class) is not None:
        figures |= {name: per_class[positive][name] for name in ("auroc", "auprc", "brier")}
        figures["auprc_floor"] = _share(predictions, positive)
    return figures


def _share(predictions: Predictions, k: int) -> Value:
    truth = predictions.labels == k
    return float(truth.mean()) if len(truth) else Missing("no rows")


def _macro(per_class: Sequence[Mapping[str, Value]], name: str) -> Value:
    total = 0.0
    for figures in per_class:
        value = figures[name]
        if isinstance(value, Missing):
            return value
        total += value
    return total / len(per_class)


def _decisions_overall(predictions: Predictions, per_class: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    keep = predictions.decided
    truth, called = predictions.labels[keep], predictions.predicted[keep]
    coverage: Value = float(keep.mean()) if len(keep) else Missing("no rows")
    if not keep.any():
        none = Missing("no decided rows")
        names = ("accuracy", "balanced_accuracy", "g_mean", "macro_f1", "mcc")
        return dict.fromkeys(names, none) | {"coverage": coverage}
    classes = np.arange(predictions.num_classes)
    sensitivities = [figures["sensitivity"] for figures in per_class]
    absent = [value for value in sensitivities if isinstance(value, Missing)]
    present = [value for value in sensitivities if not isinstance(value, Missing)]
    return {
        "accuracy": float(accuracy_score(truth, called)),
        "balanced_accuracy": absent[0] if absent else float(balanced_accuracy_score(truth, called)),
        "g_mean": absent[0] if absent else _geometric_mean(present),
        "macro_f1": absent[0]
        if absent
        else float(f1_score(truth, called, labels=classes, average="macro", zero_division=0)),
        "mcc": _mcc(truth, called),
        "coverage": coverage,
    }


def _geometric_mean(values: Sequence[float]) -> float:
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(values).mean()))


def _mcc(truth: np.ndarray, called: np.ndarray) -> Value:
    if len(np.unique(truth)) < 2:
        return Missing("all decided rows are of one class")
    if len(np.unique(called)) < 2:
        return Missing("all rows were given the same class")
    return float(matthews_corrcoef(truth, called))


def _probabilities_overall(predictions: Predictions) -> dict[str, Value]:
    labels, probabilities = predictions.labels, predictions.probabilities
    if not len(labels):
        return dict.fromkeys(("log_loss", "brier", "ece"), Missing("no rows"))
    classes = np.arange(predictions.num_classes)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    figures: dict[str, Value] = {"ece": _calibration_error(confidence, right)}
    exact = probabilities / probabilities.sum(axis=1, keepdims=True)
    figures["log_loss"] = float(log_loss(labels, exact, labels=classes))
    figures["brier"] = float(brier_score_loss(labels, exact, labels=classes, scale_by_half=False))
    return figures
