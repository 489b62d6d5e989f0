"""Metrics of out-of-fold predictions with all repeats, and their intervals over patients.

Counts (accuracy, balanced accuracy, G-mean, macro F1, MCC, sensitivities) are computed for each repeat over its pooled
out-of-fold predictions, then averaged over repeats. Rankings and losses (AUROC, AUPRC, log-loss, Brier) are computed
in each fold, since scores of two networks have no common scale, then averaged; so are metrics of plugins. A patient is
resampled with all repeats: repeats are never stacked as if they were new patients.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from imbtk.comparison.config import METRICS
from imbtk.comparison.outcomes import JudgedRows, Outcome
from imbtk.evaluation.alarms import decision_costs, partial_auroc, sensitivity_at_specificity
from imbtk.evaluation.bootstrap import RESAMPLES, SMALL_STRATUM, degrees_of_freedom
from imbtk.evaluation.intervals import CONFIDENCE, Interval, korn_graubard, studentized
from imbtk.evaluation.metrics import Missing, Predictions, confusion_counts
from imbtk.evaluation.resampling import (
    FAMILIES,
    Strata,
    bootstrap_weights,
    jackknife_weights,
    make_strata,
    replicate_metrics,
)

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = [
    "Resampled",
    "Resampling",
    "Spread",
    "figures",
    "fold_metrics",
    "hit_rates",
    "mean_confusion",
    "sensitivity_intervals",
    "unit_contributions",
    "whole_weights",
]

OFFERED = "offered"
"""The family of what plugins offer: such a metric takes no weights, so its rows are repeated, resample by resample."""

_CHUNK_CELLS = 2_500_000
_MOST_MISSING = 0.05
_NO_SPREAD = 1e-12

Figures = dict[str, np.ndarray]


def figures(
    rows: JudgedRows, outcome: Outcome, unit: np.ndarray, weights: np.ndarray, families: Collection[str] = FAMILIES
) -> Figures:
    """Return the metrics under every set of weights, each (B,): NaN where one cannot be computed.

    Parameters
    ----------
    rows : JudgedRows
    outcome : Outcome
    unit : ndarray of int64, shape (N,)
    weights : ndarray of float64, shape (U, B)
        Of the units: ones for the metrics themselves.
    families : collection of str
        Which metrics: see :func:`imbtk.evaluation.resampling.replicate_metrics`; OFFERED takes whole weights.
    """
    parts: list[Figures] = []
    of = partial(_of, rows, outcome, unit=unit, weights=weights)
    if "decisions" in families:
        everyone = np.ones(len(rows.labels), dtype=bool)
        parts += [_means([of(r, where=everyone, families=["decisions"]) for r in range(len(rows.fold))])]
    other = [family for family in families if family != "decisions"]
    if other:
        parts += [_means([of(r, where=rows.fold[r] == f, families=other) for r, f in _cells(rows)])]
    return {name: value for part in parts for name, value in part.items()}


def fold_metrics(rows: JudgedRows, outcome: Outcome, name: str) -> np.ndarray:
    """Return a metric of each cell's test rows, repeat by repeat, (R · F,)."""
    unit, weights = np.zeros(len(rows.labels), dtype=np.int64), np.ones((1, 1))
    of = partial(_of, rows, outcome, unit=unit, weights=weights, families=[*FAMILIES, OFFERED])
    cells = [of(r, where=rows.fold[r] == f) for r, f in _cells(rows)]
    return np.array([float(cell[name][0]) for cell in cells])


def _cells(rows: JudgedRows) -> Iterator[tuple[int, int]]:
    for r in range(len(rows.fold)):
        for f in range(int(rows.fold[r].max()) + 1):
            yield r, f


def _predictions(rows: JudgedRows, outcome: Outcome, repeat: int, where: np.ndarray) -> Predictions:
    return Predictions(
        rows.labels[where],
        outcome.predicted[repeat, where],
        outcome.probabilities[repeat, where],
        rows.class_names,
        positive=rows.positive,
    )


def _of(
    rows: JudgedRows,
    outcome: Outcome,
    repeat: int,
    where: np.ndarray,
    unit: np.ndarray,
    weights: np.ndarray,
    families: Collection[str],
) -> Figures:
    predictions, unit = _predictions(rows, outcome, repeat, where), unit[where]
    found = replicate_metrics(predictions, unit, weights, families)
    if OFFERED in families:
        found |= {name: _repeated(metric, predictions, unit, weights) for name, metric in rows.extra.items()}
    if "decisions" in families:
        found |= decision_costs(predictions, unit, weights, rows.cost)
    if "rankings" in families:
        found |= {name: _asked(name, predictions, unit, weights) for name in rows.asked if "@" in name}
    return found


def _asked(name: str, predictions: Predictions, unit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a ranking with a number in its key, (B,); NaN where a class has no row."""
    if len(np.unique(predictions.labels)) < 2:
        return np.full(weights.shape[1], np.nan)
    kind, _, number = name.partition("=")
    figure = sensitivity_at_specificity if kind == "sensitivity@specificity" else partial_auroc
    return figure(predictions, unit, weights, float(number))


def _repeated(metric: ExtraMetric, predictions: Predictions, unit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a plugin's metric of the rows, each as often as its weight says, (B,).

    NaN where a class that the rows have is drawn by none: many a metric raises then, and those of ours are NaN too.
    """
    labels, rows, found = predictions.labels, np.arange(len(unit)), np.full(weights.shape[1], np.nan)
    here = np.bincount(labels) > 0
    for b, counts in enumerate(weights[unit].T.astype(np.int64)):
        if (np.bincount(labels, weights=counts)[here] > 0).all():
            drawn = np.repeat(rows, counts)
            found[b] = metric(labels[drawn], predictions.probabilities[drawn])
    return found


def whole_weights(weights: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Return weights (U, B) as whole numbers, each at most one off; sums of strata and expectations stay.

    The bootstrap's n − 1 draws of n units weigh n / (n − 1): made whole, one draw counts twice, which one by chance.
    The same weights give the same whole ones, so that plans stay paired.
    """
    whole, rng = np.zeros_like(weights), np.random.default_rng(0)
    for k in np.unique(stratum):
        ends = np.floor(np.cumsum(weights[stratum == k], axis=0) + rng.random(weights.shape[1]) + 1e-9)
        whole[stratum == k] = np.diff(ends, axis=0, prepend=0.0)
    return whole


def _means(parts: Sequence[Figures]) -> Figures:
    """Return the mean of each metric over the parts in which it can be computed."""
    means = {}
    for name in parts[0]:
        values = np.stack([part[name] for part in parts])
        there = np.isfinite(values)
        count = there.sum(axis=0)
        with np.errstate(invalid="ignore"):
            means[name] = np.where(count > 0, np.where(there, values, 0.0).sum(axis=0) / count, np.nan)
    return means


@dataclass(frozen=True)
class Resampled:
    """The metrics of one plan: as they are, over bootstrap resamples, and with single units left out.

    Attributes
    ----------
    value : dict of str to float
        NaN where a metric cannot be computed.
    drawn : dict of str to ndarray, shape (B,)
    left : dict of str to ndarray, shape (J,)
    """

    value: dict[str, float]
    drawn: Figures
    left: Figures


@dataclass(frozen=True)
class Spread:
    """Standard error and degrees of freedom of a metric or of a difference."""

    error: float
    degrees: float

    def around(self, value: float, confidence: float = CONFIDENCE) -> Interval:
        """Return Student's interval around `value`."""
        reach = float(stats.t.ppf((1 + confidence) / 2, self.degrees)) * self.error
        return value - reach, value + reach


class Resampling:
    """One set of resamples of the units, the same for all plans, so that their metrics are paired.

    Parameters
    ----------
    rows : JudgedRows
    seed : int
    resamples : int
    """

    def __init__(self, rows: JudgedRows, seed: int, resamples: int = RESAMPLES) -> None:
        self.rows, self.unit, self._seed, self._resamples = rows, rows.unit, seed, resamples
        self.strata: Strata = make_strata(rows.labels, rows.groups, rows.num_classes)
        self.weights_left, self.left_out = jackknife_weights(self.strata, SMALL_STRATUM)

    def _chunks(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(self._seed)
        step = int(np.clip(_CHUNK_CELLS // len(self.unit), 25, self._resamples))
        for start in range(0, self._resamples, step):
            yield bootstrap_weights(self.strata, min(step, self._resamples - start), rng)

    def of(self, outcome: Outcome, rows: JudgedRows | None = None) -> Resampled:
        """Return a plan's metrics under the resamples; `rows` where its folds are others than those of the rest."""
        rows = rows or self.rows
        ones = np.ones((len(self.strata.stratum), 1))
        value = self._figures(rows, outcome, ones)
        drawn = [self._figures(rows, outcome, weights) for weights in self._chunks()]
        left = self._figures(rows, outcome, self.weights_left) if len(self.left_out) else {}
        return Resampled(
            {name: float(v[0]) for name, v in value.items() if v.ndim == 1},
            {name: np.concatenate([part[name] for part in drawn]) for name in value if not name.startswith("class:")},
            {name: left.get(name, np.zeros(0)) for name in value},
        )

    def _figures(self, rows: JudgedRows, outcome: Outcome, weights: np.ndarray) -> Figures:
        found = figures(rows, outcome, self.unit, weights)
        if rows.extra:
            found |= figures(rows, outcome, self.unit, whole_weights(weights, self.strata.stratum), [OFFERED])
        return found

    def spread(self, drawn: np.ndarray, left: np.ndarray) -> Spread | Missing:
        """Return the standard error of resampled metrics, or why there is none."""
        finite = drawn[np.isfinite(drawn)]
        if len(self.strata.stratum) < 2:
            return Missing("the spread between groups cannot be seen in fewer than two")
        if len(finite) < (1 - _MOST_MISSING) * len(drawn):
            return Missing(f"it cannot be computed in {len(drawn) - len(finite)} of {len(drawn)} resamples")
        error = float(finite.std(ddof=1))
        return Spread(error, max(1.0, degrees_of_freedom(error**2, left, self.left_out, self.strata)))

    def interval(self, plan: Resampled, name: str) -> Interval | Missing:
        """Return the interval of a metric: Student's on a scale where the metric is unbounded."""
        value = plan.value[name]
        if not np.isfinite(value):
            return Missing("it cannot be computed")
        spread = self.spread(plan.drawn[name], plan.left[name])
        if isinstance(spread, Missing):
            return spread
        if name in self.rows.extra:  # of what range is not known
            return spread.around(value)
        scale = METRICS[name].scale or "logit"
        lowest, highest = {"logit": (0, 1), "log": (0, np.inf), "fisher": (-1, 1)}[scale]
        if spread.error < _NO_SPREAD or value - lowest < 1e-9 or highest - value < 1e-9:
            return Missing(f"at {value:g} the resamples show no spread")
        return studentized(value, spread.error, spread.degrees, scale)

    def contrast(self, plans: Sequence[tuple[float, Resampled]], name: str) -> tuple[float, Spread | Missing]:
        """Return a weighted sum of plans' metrics, ``[(1, a), (-1, b)]`` for a difference, and its spread."""
        value = sum(factor * plan.value[name] for factor, plan in plans)
        drawn = np.sum([factor * plan.drawn[name] for factor, plan in plans], axis=0)
        left = np.sum([factor * plan.left[name] for factor, plan in plans], axis=0)
        spread = self.spread(drawn, left)
        if isinstance(spread, Spread) and spread.error < _NO_SPREAD:
            spread = Missing("it is the same in all resamples, which say nothing of its spread")
        return float(value), spread


def hit_rates(rows: JudgedRows, outcome: Outcome) -> np.ndarray:
    """Return in which share of the repeats each row was decided rightly, (N,); NaN where it was always left open."""
    decided = outcome.predicted >= 0
    hits = (outcome.predicted == rows.labels).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(decided.any(axis=0), hits / decided.sum(axis=0), np.nan))


def unit_contributions(rows: JudgedRows, outcome: Outcome, name: str) -> np.ndarray:
    """Return what each unit adds to the balanced accuracy or the accuracy, (U,): their sum is the metric.

    Parameters
    ----------
    rows : JudgedRows
    outcome : Outcome
        Without abstentions.
    name : "balanced_accuracy" or "accuracy"
    """
    counts = np.bincount(rows.labels, minlength=rows.num_classes)
    share = (
        1 / (rows.num_classes * counts) if name == "balanced_accuracy" else np.full(rows.num_classes, 1 / counts.sum())
    )
    return np.bincount(rows.unit, weights=hit_rates(rows, outcome) * share[rows.labels])


def sensitivity_intervals(rows: JudgedRows, outcome: Outcome) -> list[tuple[float, Interval] | Missing]:
    """Return the sensitivity of each class, averaged over repeats, with Korn and Graubard's interval over units.

    A row counts once, with the share of repeats in which it was found: repeats add no rows.
    """
    rates = hit_rates(rows, outcome)
    found: list[tuple[float, Interval] | Missing] = []
    for k, name in enumerate(rows.class_names):
        where = (rows.labels == k) & np.isfinite(rates)
        if not where.any():
            found.append(Missing(f"no decided row of class {name!r}"))
            continue
        groups = None if rows.groups is None else rows.groups[where]
        found.append((float(rates[where].mean()), korn_graubard(rates[where], groups)))
    return found


def mean_confusion(rows: JudgedRows, outcome: Outcome) -> np.ndarray:
    """Return the confusion matrix, truth by decision, averaged over repeats: float64 (K, K)."""
    everyone = np.ones(len(rows.labels), dtype=bool)
    counts = [confusion_counts(_predictions(rows, outcome, r, everyone)) for r in range(len(rows.fold))]
    return np.asarray(np.mean(counts, axis=0))
