"""Plans against the baseline: paired differences, the one test, the verdict; pairs against their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from imbtk.comparison.config import METRICS, ComparisonConfig, metric_of, plugin_metric
from imbtk.comparison.grid import BASELINE, PlanRow
from imbtk.comparison.metrics import Resampled, Resampling, Spread, fold_metrics, unit_contributions
from imbtk.comparison.outcomes import JudgedRows, Outcome
from imbtk.comparison.statistics import (
    Tost,
    corrected_t_test,
    detectable_difference,
    holm,
    is_linear,
    mcnemar,
    paired_p_value,
    sign_flip,
    tost,
    tost_of_twins,
    verdict,
)
from imbtk.comparison.words import interaction_words
from imbtk.evaluation.metric_table import Metric
from imbtk.evaluation.metrics import Missing
from imbtk.wording import several

__all__ = ["NOT_JUDGED", "Judge"]

NOT_JUDGED = "cannot be judged"


@dataclass(frozen=True)
class _Tested:
    """A difference as ``comparison.json`` has it, and its equivalence tests where they can be made."""

    entry: dict[str, Any]
    tost: Tost | None


class Judge:
    """Holds the rows, the resamples, and each plan's metrics under them.

    Parameters
    ----------
    rows : JudgedRows
    config : ComparisonConfig
    """

    def __init__(self, rows: JudgedRows, config: ComparisonConfig) -> None:
        self.rows, self.config, self.seed = rows, config, config.seed
        self.primary = metric_of(config.primary, rows.num_classes)
        self.resampling = Resampling(rows, config.seed)
        self.outcomes: dict[str, Outcome] = {}
        self.resampled: dict[str, Resampled] = {}
        self.unit = "row" if rows.groups is None else rows.group_name
        self.metric = METRICS[self.primary] if self.primary not in rows.extra else _offered(rows, self.primary)
        self.sign = 1.0 if self.metric.higher_is_better else -1.0

    @property
    def primary_name(self) -> str:
        """The primary metric, with the class whose it is."""
        rows = self.rows
        return self.metric.named(None if rows.positive is None else rows.class_names[rows.positive])

    def add(self, outcome: Outcome) -> None:
        """Compute the metrics of a plan."""
        self.outcomes[outcome.name] = outcome
        self.resampled[outcome.name] = self.resampling.of(outcome)

    def compare(self, entries: Sequence[dict[str, Any]]) -> None:
        """Add to each entry but the baseline's its difference, the tests and the verdict."""
        others = [entry for entry in entries if entry["name"] != BASELINE]
        tested = [self._difference(entry["name"]) for entry in others]
        adjusted = _holm_known([t.entry["p"] for t in tested])
        equal = _holm_known([t.tost.equivalent if t.tost else None for t in tested])
        for entry, test, p, p_equal in zip(others, tested, adjusted, equal, strict=True):
            entry["difference"] = {**test.entry, "p_holm": p}
            entry["equivalence"] = None
            if test.tost is not None:
                entry["equivalence"] = {
                    "p_not_worse": test.tost.not_worse,
                    "p_equivalent": test.tost.equivalent,
                    "p_equivalent_holm": p_equal,
                }
            value = test.entry["value"]
            entry["verdict"] = NOT_JUDGED if value is None or p is None else verdict(self.sign * value, p, p_equal)

    def _difference(self, name: str) -> _Tested:
        pair = [(1.0, self.resampled[name]), (-1.0, self.resampled[BASELINE])]
        plan, base = self.outcomes[name], self.outcomes[BASELINE]
        value, spread = self.resampling.contrast(pair, self.primary)
        if not np.isfinite(value):
            return _Tested({"value": None, "reason": "a metric of the two cannot be computed", "p": None}, None)
        linear = is_linear(self.primary, (plan, base))
        p = paired_p_value(self.rows, plan, base, self.primary, self.seed)
        entry: dict[str, Any] = {
            "value": value,
            **_spread_entry(value, spread),
            "p": p if np.isfinite(p) else None,
            "method": f"paired {'sign-flip' if linear else 'swap'} permutation over {several(self.unit)}",
            "detectable": detectable_difference(spread) if isinstance(spread, Spread) else None,
            "secondary": self._secondary(plan, base),
        }
        return _Tested(entry, self._equivalence(self.sign * value, spread, linear, plan, base))

    def _equivalence(
        self, value: float, spread: Spread | Missing, linear: bool, plan: Outcome, base: Outcome
    ) -> Tost | None:
        """Return the tests against the margin; None where there is no margin or nothing to go by."""
        margin = self.config.margin
        if margin is None:
            return None
        if isinstance(spread, Spread):
            return tost(value, spread, margin)
        if linear and bool((plan.predicted == base.predicted).all()):
            of_class = [np.unique(self.rows.unit[self.rows.labels == k]) for k in range(self.rows.num_classes)]
            return tost_of_twins(margin, min(map(len, of_class)))
        return None

    def _secondary(self, plan: Outcome, base: Outcome) -> dict[str, Any]:
        """Return the tests that others would ask for; they decide nothing here."""
        differences = fold_metrics(self.rows, plan, self.primary) - fold_metrics(self.rows, base, self.primary)
        found: dict[str, Any] = {"corrected_t_test": None, "mcnemar": None}
        if np.isfinite(differences).all():
            share = float(np.mean([cost.test / cost.train for cost in base.costs]))
            t, degrees, p = corrected_t_test(differences, share)
            found["corrected_t_test"] = {"t": t if np.isfinite(t) else None, "degrees_of_freedom": degrees, "p": p}
        if self.rows.groups is None and self.config.repeats == 1:
            more, fewer, p = mcnemar(self.rows.labels, plan.predicted[0], base.predicted[0])
            found["mcnemar"] = {"only_plan_right": more, "only_baseline_right": fewer, "p": p}
        return found

    def interactions(self, plans: Sequence[PlanRow]) -> list[dict[str, Any]]:
        """Return, for each pair of ``--pairs``, how far it is from the sum of what its two plans do alone."""
        pairs = [p for p in plans if p.parts and all(name in self.outcomes for name in (p.name, *p.parts))]
        found = [entry for pair in pairs if (entry := self._interaction(pair)) is not None]
        for entry, p in zip(found, _holm_known([entry["p"] for entry in found]), strict=True):
            entry["p_holm"] = p
            entry["words"] = interaction_words(entry, self.metric, self.primary_name)
        return found

    def _interaction(self, pair: PlanRow) -> dict[str, Any] | None:
        names, factors = (pair.name, *pair.parts, BASELINE), (1.0, -1.0, -1.0, 1.0)
        contrast = [(factor, self.resampled[name]) for factor, name in zip(factors, names, strict=True)]
        value, spread = self.resampling.contrast(contrast, self.primary)
        if not np.isfinite(value):
            return None
        figures = [self.resampled[name].value[self.primary] for name in names]
        return {
            "pair": pair.name,
            "parts": list(pair.parts),
            "together": figures[0] - figures[3],
            "alone": [figures[1] - figures[3], figures[2] - figures[3]],
            "value": value,
            **_spread_entry(value, spread),
            "p": self._interaction_p(names, factors, value, spread),
        }

    def _interaction_p(
        self, names: Sequence[str], factors: Sequence[float], value: float, spread: Spread | Missing
    ) -> float | None:
        outcomes = [self.outcomes[name] for name in names]
        if is_linear(self.primary, outcomes):
            parts = [f * unit_contributions(self.rows, o, self.primary) for f, o in zip(factors, outcomes, strict=True)]
            return sign_flip(np.sum(parts, axis=0), self.seed)
        if isinstance(spread, Missing):
            return None
        return float(2 * stats.t.sf(abs(value) / spread.error, spread.degrees))


def _offered(rows: JudgedRows, name: str) -> Metric:
    return plugin_metric(name, bool(getattr(rows.extra[name], "higher_is_better", True)))


def _spread_entry(value: float, spread: Spread | Missing) -> Mapping[str, Any]:
    if isinstance(spread, Missing):
        return {"interval": None, "interval_reason": spread.reason, "standard_error": None, "degrees_of_freedom": None}
    return {
        "interval": list(spread.around(value)),
        "standard_error": spread.error,
        "degrees_of_freedom": spread.degrees,
    }


def _holm_known(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjustment of the p-values that there are."""
    known = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(known) for p in p_values]
