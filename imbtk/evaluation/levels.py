"""The metrics of some units, each with its interval or the reason why it has none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from imbtk.authoring.prediction import ABSTAIN
from imbtk.errors import PluginError
from imbtk.evaluation.bootstrap import RESAMPLES, SCALES, bootstrap_intervals
from imbtk.evaluation.groups import mixed_groups
from imbtk.evaluation.intervals import Interval, korn_graubard, mover_geometric_mean, mover_mean
from imbtk.evaluation.metrics import (
    Missing,
    Predictions,
    Value,
    class_metrics,
    confusion_counts,
    overall_metrics,
    shot_classes,
)
from imbtk.wording import several

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["FEW_GROUPS", "Asked", "level_metrics", "missing_metric"]

FEW_GROUPS = 20
"""Below so many groups in a class its intervals come with a warning."""

MIXED_SHARE = 0.1
"""Above this share of groups with rows of several classes the classes' sensitivities are not taken as independent."""

_BIASED = (
    "an estimate from bins is too large where rows are few, and resampling adds to it: no interval of it covers "
    "anywhere near 95 %"
)

_GIVEN = "it is the share among these rows, not an estimate"

Figure = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What is asked of an evaluation.

    Attributes
    ----------
    train_counts : sequence of int, length K, optional
        Training rows per class, for many-, medium- and few-shot metrics.
    group_name : str
        What a group is called.
    seed : int
        Of the bootstrap.
    resamples : int
    extra_metrics : mapping of str to callable
        ``(labels (N,), probabilities (N, K)) -> float``, NaN where it cannot be computed.
    """

    train_counts: Sequence[int] | np.ndarray | None = None
    group_name: str = "group"
    seed: int = 0
    resamples: int = RESAMPLES
    extra_metrics: Mapping[str, ExtraMetric] = field(default_factory=dict)


def level_metrics(predictions: Predictions, unit: str, asked: Asked) -> dict[str, Any]:
    """Return every metric of some units as plain JSON values: a ``level`` of ``metrics.schema.json``.

    Parameters
    ----------
    predictions : Predictions
    unit : "row" or "group"
    asked : Asked
    """
    class_values = class_metrics(predictions)
    overall_values = overall_metrics(predictions, class_values)
    boot = bootstrap_intervals(predictions, _for_bootstrap(class_values, overall_values), asked.seed, asked.resamples)
    shape = _Shape(predictions)
    per_class = [_class_entry(shape, k, values, boot) for k, values in enumerate(class_values)]
    groups = predictions.groups
    return {
        "unit": unit,
        "n": len(predictions.labels),
        "groups": None if groups is None else len(np.unique(groups)),
        "abstained": int((~predictions.decided).sum()),
        "confusion_matrix": _confusion(predictions),
        "per_class": per_class,
        "overall": _overall_entry(shape, overall_values, per_class, boot),
        "shots": _shots(shape, per_class, asked.train_counts),
        "extra": {name: _extra(shape, name, metric) for name, metric in asked.extra_metrics.items()},
        "warnings": _warnings(predictions, asked.group_name, per_class),
    }


def _for_bootstrap(
    class_values: Sequence[Mapping[str, Value]], overall_values: Mapping[str, Value]
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key in SCALES:
        name = key.removeprefix("class:")
        if name == key:
            values |= {key: overall_values[key]} if key in overall_values else {}
        else:
            values |= {f"{key}:{k}": figures[name] for k, figures in enumerate(class_values)}
    return values


class _Shape:
    """Makes metrics of some units: value, interval, how many, how made."""

    def __init__(self, predictions: Predictions) -> None:
        self.predictions = predictions
        clustered = predictions.groups is not None
        self.proportion_method = "clopper-pearson (korn-graubard)" if clustered else "clopper-pearson"
        self.bootstrap_method = "bootstrap (groups)" if clustered else "bootstrap (rows)"

    def figure(self, value: Value, where: np.ndarray, interval: Interval | Missing, method: str | None) -> Figure:
        if isinstance(value, Missing):
            return missing_metric(value)
        groups = self.predictions.groups
        count = {"n": int(where.sum()), "groups": None if groups is None else len(np.unique(groups[where]))}
        if isinstance(interval, Missing):
            return {"value": value, "interval": None, "interval_reason": interval.reason, **count, "method": None}
        return {"value": value, "interval": list(interval), **count, "method": method}

    def proportion(self, value: Value, success: np.ndarray, where: np.ndarray) -> Figure:
        if isinstance(value, Missing):
            return missing_metric(value)
        groups = self.predictions.groups
        interval = korn_graubard(success[where], None if groups is None else groups[where])
        return self.figure(value, where, interval, self.proportion_method)

    def bootstrapped(self, value: Value, where: np.ndarray, interval: Interval | Missing) -> Figure:
        return self.figure(value, where, interval, self.bootstrap_method)


def _class_entry(
    shape: _Shape, k: int, values: Mapping[str, Value], boot: Mapping[str, Interval | Missing]
) -> dict[str, Any]:
    predictions = shape.predictions
    truth, called, decided = predictions.labels == k, predictions.predicted == k, predictions.decided
    everywhere = np.ones(len(truth), dtype=bool)
    groups = predictions.groups
    entry: dict[str, Any] = {
        "name": predictions.class_names[k],
        "support": int(truth.sum()),
        "groups": None if groups is None else len(np.unique(groups[truth])),
        "sensitivity": shape.proportion(values["sensitivity"], called, truth & decided),
        "specificity": shape.proportion(values["specificity"], ~called, ~truth & decided),
        "precision": shape.proportion(values["precision"], truth, called),
        "f1": shape.bootstrapped(values["f1"], decided, boot[f"class:f1:{k}"]),
    }
    for name in ("auroc", "auprc", "brier"):
        entry[name] = shape.bootstrapped(values[name], everywhere, boot[f"class:{name}:{k}"])
    entry["calibration_error"] = shape.figure(values["calibration_error"], everywhere, Missing(_BIASED), None)
    return entry


def _overall_entry(
    shape: _Shape,
    values: Mapping[str, Value],
    per_class: Sequence[Mapping[str, Any]],
    boot: Mapping[str, Interval | Missing],
) -> dict[str, Figure]:
    predictions, decided = shape.predictions, shape.predictions.decided
    everywhere = np.ones(len(decided), dtype=bool)
    right = predictions.predicted == predictions.labels
    entry = {
        "accuracy": shape.proportion(values["accuracy"], right, decided),
        "coverage": shape.proportion(values["coverage"], decided, everywhere)
        if not decided.all()
        else shape.figure(values["coverage"], everywhere, Missing("no unit was left open"), None),
    }
    entry |= _class_means(shape, values, [c["sensitivity"] for c in per_class], boot)
    for name in ("macro_f1", "mcc"):
        entry[name] = shape.bootstrapped(values[name], decided, boot[name])
    for name in ("macro_auroc", "macro_auprc", "log_loss"):
        entry[name] = shape.bootstrapped(values[name], everywhere, boot[name])
    for name in ("ece", "classwise_ece"):
        entry[name] = shape.figure(values[name], everywhere, Missing(_BIASED), None)
    if (positive := predictions.positive_class) is None:
        entry["brier"] = shape.bootstrapped(values["brier"], everywhere, boot["brier"])
    else:
        entry |= {name: per_class[positive][name] for name in ("auroc", "auprc", "brier")}
        entry["auprc_floor"] = shape.figure(values["auprc_floor"], everywhere, Missing(_GIVEN), None)
    return entry


def _class_means(
    shape: _Shape,
    values: Mapping[str, Value],
    sensitivities: Sequence[Figure],
    boot: Mapping[str, Interval | Missing],
) -> dict[str, Figure]:
    """Return balanced accuracy and G-mean: from the classes' own intervals where classes are independent."""
    labels, groups, decided = shape.predictions.labels, shape.predictions.groups, shape.predictions.decided
    names = ("balanced_accuracy", "g_mean")
    if groups is not None and mixed_groups(labels, groups) > MIXED_SHARE * len(np.unique(groups)):
        return {name: shape.bootstrapped(values[name], decided, boot[name]) for name in names}
    intervals = (_mean_interval(sensitivities), _geometric_interval(sensitivities))
    return {
        name: shape.figure(values[name], decided, interval, "mover")
        for name, interval in zip(names, intervals, strict=True)
    }


def _ends(figures: Sequence[Figure]) -> tuple[np.ndarray, np.ndarray] | Missing:
    for figure in figures:
        if figure["value"] is None:
            return Missing(figure["reason"])
    return np.array([figure["value"] for figure in figures]), np.array([figure["interval"] for figure in figures])


def _mean_interval(sensitivities: Sequence[Figure]) -> Interval | Missing:
    ends = _ends(sensitivities)
    return ends if isinstance(ends, Missing) else mover_mean(*ends)


def _geometric_interval(sensitivities: Sequence[Figure]) -> Interval | Missing:
    ends = _ends(sensitivities)
    if isinstance(ends, Missing):
        return ends
    if (ends[0] <= 0).any():
        return Missing("a class with no hit makes the geometric mean 0, whatever the others do")
    return mover_geometric_mean(*ends)


def _shots(
    shape: _Shape, per_class: Sequence[Mapping[str, Any]], train_counts: Sequence[int] | np.ndarray | None
) -> dict[str, Figure]:
    if train_counts is None:
        return dict.fromkeys(("many", "medium", "few"), missing_metric(Missing("training counts are not known")))
    entries = {}
    for shot, classes in shot_classes(train_counts).items():
        ends = _ends([per_class[k]["sensitivity"] for k in classes])
        if not classes:
            ends = Missing(f"no class is {shot}-shot")
        where = np.isin(shape.predictions.labels, classes) & shape.predictions.decided
        if isinstance(ends, Missing):
            entries[shot] = missing_metric(ends)
        else:
            entries[shot] = shape.figure(float(ends[0].mean()), where, mover_mean(*ends), "mover")
    return entries


def _extra(shape: _Shape, name: str, metric: ExtraMetric) -> Figure:
    predictions = shape.predictions
    try:
        value = float(metric(predictions.labels, predictions.probabilities))
    except (ArithmeticError, ValueError, PluginError) as error:
        return missing_metric(Missing(f"metric {name!r} failed: {error}"))
    if not math.isfinite(value):
        return missing_metric(Missing(f"metric {name!r} gave {value}"))
    everywhere = np.ones(len(predictions.labels), dtype=bool)
    return shape.figure(value, everywhere, Missing("plugins' metrics are not resampled"), None)


def _confusion(predictions: Predictions) -> dict[str, Any]:
    counts = confusion_counts(predictions)
    left_open = predictions.labels[predictions.predicted == ABSTAIN]
    return {
        "counts": counts.tolist(),
        "row_shares": [(row / row.sum()).tolist() if row.sum() else None for row in counts],
        "abstained": np.bincount(left_open, minlength=predictions.num_classes).tolist(),
    }


def _warnings(
    predictions: Predictions, group_name: str, per_class: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    warnings = []
    groups = predictions.groups
    if groups is None:
        text = f"{several(group_name)} are not known: the intervals assume that no two rows come from one {group_name}"
        warnings.append(_warning("no-groups", None, None, text))
    elif mixed := mixed_groups(predictions.labels, groups):
        text = (
            f"{mixed} of {len(np.unique(groups))} {several(group_name)} have rows of more than one class; they are "
            f"resampled with the class that has fewer {several(group_name)}"
        )
        warnings.append(_warning("mixed-groups", None, mixed, text))
    for entry in per_class:
        n, noun = (entry["support"], "row") if groups is None else (entry["groups"], group_name)
        if n < FEW_GROUPS:
            text = (
                f"class {entry['name']!r} has {n} {noun if n == 1 else several(noun)} here, fewer than {FEW_GROUPS}: "
                "its intervals are wide, and less certain than they say"
            )
            warnings.append(_warning("few-groups", entry["name"], n, text))
    return warnings


def _warning(code: str, name: str | None, groups: int | None, text: str) -> dict[str, Any]:
    return {"code": code, "class": name, "groups": groups, "text": text}


def missing_metric(missing: Missing) -> Figure:
    """Return a metric that cannot be computed, as JSON."""
    return {"value": None, "reason": missing.reason}
