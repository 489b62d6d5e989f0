"""From the cells of a folder to ``comparison.json``: figures, tests, verdicts, and what must be said with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from imbtk._version import __version__
from imbtk.comparison.cells import failure_of, is_done
from imbtk.comparison.curves import plan_curves
from imbtk.comparison.figures import (
    Resampled,
    Resampling,
    Spread,
    fold_figures,
    mean_confusion,
    sensitivity_intervals,
    unit_contributions,
)
from imbtk.comparison.grid import BASELINE, Cell, PlanRow
from imbtk.comparison.identity import read_protocol
from imbtk.comparison.outcomes import Outcome, Rows, read_outcome, with_decision_moved
from imbtk.comparison.settings import HIGHER_IS_BETTER, METRICS, ComparisonConfig, make_comparison_config
from imbtk.comparison.statistics import (
    corrected_t_test,
    detectable_difference,
    holm,
    is_linear,
    mcnemar,
    paired_p_value,
    sign_flip,
    tost,
    verdict,
)
from imbtk.comparison.words import interaction_words, protocol_sentences, row_warnings
from imbtk.errors import RunFolderError
from imbtk.evaluation.figures import missing_figure
from imbtk.evaluation.intervals import CONFIDENCE
from imbtk.evaluation.metrics import Missing
from imbtk.plan import Plan

__all__ = ["DECISION", "SCHEMA_VERSION", "analyse"]

SCHEMA_VERSION = 1
DECISION = "nothing, with the decision moved"
"""The row of the baseline's networks with another decision: no training of its own."""


@dataclass(frozen=True)
class Judged:
    """A row that can be judged: its predictions, and its figures under the resamples."""

    outcome: Outcome
    resampled: Resampled


class Grid:
    """The cells of a comparison as they are in its folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.protocol = read_protocol(folder)
        self.config: ComparisonConfig = make_comparison_config(self.protocol["options"])
        self.class_names = tuple(self.protocol["data"]["class_names"])
        self.plans = [PlanRow(plan["name"], Plan(()), parts=tuple(plan["parts"])) for plan in self.protocol["plans"]]

    def cells(self, plan: PlanRow, ungrouped: bool = False) -> list[Cell]:
        """Return the cells of a plan."""
        config = self.config
        return [Cell(plan, r, f, ungrouped) for r in range(config.repeats) for f in range(config.folds)]

    def lacks(self, plan: PlanRow, ungrouped: bool = False) -> str | None:
        """Return why a plan cannot be judged, None if all its cells are done."""
        cells = self.cells(plan, ungrouped)
        failed = [(cell, reason) for cell in cells if (reason := failure_of(self.folder, cell))]
        if failed:
            cell, reason = failed[0]
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            return f"repeat {cell.repeat + 1}, fold {cell.fold + 1} failed{more}: {reason}"
        done = sum(is_done(self.folder, cell) for cell in cells)
        return None if done == len(cells) else f"{done} of {len(cells)} cells are done"

    def read(self, plan: PlanRow, ungrouped: bool = False) -> tuple[Rows, Outcome]:
        """Return what a plan predicted."""
        config = self.config
        return read_outcome(self.folder, plan, config.repeats, config.folds, self.class_names, ungrouped=ungrouped)


def analyse(folder: Path) -> dict[str, Any]:
    """Return what ``comparison.json`` holds, from the folder alone.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    RunFolderError
        If the folder is no comparison, or its baseline is not done.
    """
    grid = Grid(folder)
    baseline = grid.plans[0]
    if (lack := grid.lacks(baseline)) is not None:
        raise RunFolderError(
            f"the baseline of '{folder}' cannot be judged, and every plan is compared with it: {lack}. Give the same "
            "'imbtk compare' command again to go on."
        )
    return _Analysis(grid).document()


class _Analysis:
    def __init__(self, grid: Grid) -> None:
        self.grid, self.config = grid, grid.config
        self.primary, self.seed = grid.config.primary, grid.config.seed
        self.rows, baseline = grid.read(grid.plans[0])
        self.resampling = Resampling(self.rows, self.seed)
        self.incomplete: dict[str, str] = {}
        self.judged: dict[str, Judged] = {}
        self._judge(baseline)
        self._judge(with_decision_moved(baseline, DECISION))
        for plan in grid.plans[1:]:
            lack = grid.lacks(plan)
            if lack is not None:
                self.incomplete[plan.name] = lack
                continue
            rows, outcome = grid.read(plan)
            if not np.array_equal(rows.fold, self.rows.fold):
                raise RunFolderError(
                    f"the cells of '{plan.name}' have other folds than the baseline. Use another --out."
                )
            self._judge(outcome)

    def _judge(self, outcome: Outcome) -> None:
        self.judged[outcome.name] = Judged(outcome, self.resampling.of(outcome))

    @property
    def sign(self) -> float:
        """+1 where a larger primary figure is better, −1 where a smaller one is."""
        return 1.0 if HIGHER_IS_BETTER[self.primary] else -1.0

    @cached_property
    def unit_word(self) -> str:
        """What is resampled."""
        return "row" if self.rows.groups is None else "patient"

    def document(self) -> dict[str, Any]:
        """Return the whole document."""
        entries = [self._entry(name, judged) for name, judged in self.judged.items()]
        self._compare(entries)
        entries += [
            {"name": name, "kind": "plan", "complete": False, "reason": reason}
            for name, reason in self.incomplete.items()
        ]
        warnings = row_warnings(self.rows, self.config, [e for e in entries if e["complete"]])
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "imbtk": __version__,
            "confidence_level": CONFIDENCE,
            "conditional_on": (
                "given these trained models: intervals and tests say how figures would vary over new patients (or "
                "rows) from where these came, not over another hospital"
            ),
            "data": self._data(),
            "unit": self.unit_word,
            "primary": self.primary,
            "primary_name": METRICS[self.primary],
            "higher_is_better": HIGHER_IS_BETTER[self.primary],
            "margin": self.config.margin,
            "protocol": dict(self.grid.protocol["options"]),
            "rows": self._sorted(entries),
            "interactions": self._interactions(),
            "left_out": self.grid.protocol["left_out"],
            "ungrouped": self._ungrouped() if self.config.also_ungrouped else None,
            "warnings": [*self.grid.protocol["notes"], *warnings],
            "curves": {
                name: plan_curves(self.rows, judged.outcome, self._positive()) for name, judged in self.judged.items()
            },
        }
        document["methods"] = protocol_sentences(document)
        return document

    def _positive(self) -> int | None:
        positive = self.config.positive
        return None if positive is None else self.grid.class_names.index(positive)

    def _data(self) -> dict[str, Any]:
        rows = self.rows
        return {
            "name": self.grid.protocol["data"]["name"],
            "kind": self.grid.protocol["data"]["kind"],
            "rows": len(rows.labels),
            "groups": None if rows.groups is None else len(np.unique(rows.groups)),
            "class_names": list(rows.class_names),
            "class_counts": np.bincount(rows.labels, minlength=rows.num_classes).tolist(),
            "class_groups": None
            if rows.groups is None
            else [len(np.unique(rows.groups[rows.labels == k])) for k in range(rows.num_classes)],
            "train_counts": self._train_counts(),
            "positive_class": self.config.positive,
        }

    def _train_counts(self) -> list[int]:
        """Return rows per class of a training side: who is rare in training may not be rare in the data."""
        import json

        from imbtk.comparison.cells import cell_folder

        place = cell_folder(self.grid.folder, self.grid.cells(self.grid.plans[0])[0])
        plan = json.loads((place / "plan.json").read_text(encoding="utf-8"))
        return [int(n) for n in plan["split"]["class_counts"]["train"]]

    def _entry(self, name: str, judged: Judged) -> dict[str, Any]:
        outcome, resampled, rows = judged.outcome, judged.resampled, self.rows
        kind = "baseline" if name == BASELINE else "decision" if name == DECISION else "plan"
        per_class = []
        for k, found in enumerate(sensitivity_intervals(rows, outcome)):
            figure = (
                missing_figure(found)
                if isinstance(found, Missing)
                else {"value": found[0], "interval": list(found[1]), "method": "korn-graubard"}
            )
            per_class.append({"name": rows.class_names[k], "sensitivity": figure})
        return {
            "name": name,
            "kind": kind,
            "parts": next((list(p.parts) for p in self.grid.plans if p.name == name), []),
            "complete": True,
            "figures": {metric: self._figure(resampled, metric) for metric in METRICS},
            "per_class": per_class,
            "confusion": mean_confusion(rows, outcome).tolist(),
            "coverage": float((outcome.predicted >= 0).mean()),
            "cost": self._cost(judged),
        }

    def _figure(self, resampled: Resampled, metric: str) -> dict[str, Any]:
        value = resampled.value[metric]
        if not np.isfinite(value):
            return missing_figure(Missing("it cannot be computed for every repeat or fold"))
        interval = self.resampling.interval(resampled, metric)
        if isinstance(interval, Missing):
            return {"value": value, "interval": None, "interval_reason": interval.reason}
        return {"value": value, "interval": list(interval), "method": f"bootstrap ({self.unit_word}s)"}

    def _cost(self, judged: Judged) -> dict[str, float]:
        costs = judged.outcome.costs
        base = self.judged[BASELINE].outcome.costs
        seconds = float(np.mean([cost.seconds for cost in costs]))
        baseline = float(np.mean([cost.seconds for cost in base]))
        return {
            "seconds": seconds,
            "samples_per_second": float(np.mean([cost.samples_per_second for cost in costs])),
            "relative": seconds / baseline if baseline else 1.0,
        }

    def _compare(self, entries: list[dict[str, Any]]) -> None:
        """Add to each entry its difference to the baseline, the test, and the verdict."""
        others = [entry for entry in entries if entry["kind"] != "baseline"]
        found = [self._difference(entry["name"]) for entry in others]
        p_values = [f["p"] for f in found]
        for entry, difference, p in zip(others, found, _holm_known(p_values), strict=True):
            entry["difference"] = {**difference, "p_holm": p}
        margin = self.config.margin
        if margin is not None:
            tests = [f.pop("_tost") for f in found]
            for entry, adjusted in zip(others, _holm_known([t.equivalent if t else None for t in tests]), strict=True):
                test = tests[others.index(entry)]
                entry["difference"].pop("_tost", None)
                entry["equivalence"] = test and {
                    "margin": margin,
                    "p_not_worse": test.not_worse,
                    "p_equivalent": test.equivalent,
                    "p_equivalent_holm": adjusted,
                }
        for entry in others:
            entry["difference"].pop("_tost", None)
            entry["verdict"] = self._verdict(entry)

    def _verdict(self, entry: Mapping[str, Any]) -> str:
        difference = entry["difference"]
        if difference["value"] is None or difference["p_holm"] is None:
            return "cannot be judged"
        equivalence = entry.get("equivalence")
        return verdict(
            self.sign * difference["value"],
            difference["p_holm"],
            None if equivalence is None else equivalence["p_equivalent_holm"],
        )

    def _difference(self, name: str) -> dict[str, Any]:
        plan, base, metric = self.judged[name], self.judged[BASELINE], self.primary
        value, spread = self.resampling.contrast([(1, plan.resampled), (-1, base.resampled)], metric)
        if not np.isfinite(value):
            return {"value": None, "reason": "a figure of the two cannot be computed", "p": None, "_tost": None}
        p = paired_p_value(self.rows, plan.outcome, base.outcome, metric, self.seed)
        linear = is_linear(metric, (plan.outcome, base.outcome))
        known = isinstance(spread, Spread)
        return {
            "value": value,
            "interval": list(spread.around(value)) if known else None,
            "standard_error": spread.error if known else None,
            "degrees_of_freedom": spread.degrees if known else None,
            "p": p,
            "method": f"paired {'sign-flip' if linear else 'swap'} permutation over {self.unit_word}s",
            "detectable": detectable_difference(spread) if known else None,
            "secondary": self._secondary(plan.outcome, base.outcome),
            "_tost": tost(self.sign * value, spread, self.config.margin) if known and self.config.margin else None,
        }

    def _secondary(self, plan: Outcome, base: Outcome) -> dict[str, Any]:
        """Return the tests that others would ask for; they decide nothing here."""
        differences = fold_figures(self.rows, plan, self.primary) - fold_figures(self.rows, base, self.primary)
        found: dict[str, Any] = {"corrected_t_test": None, "mcnemar": None}
        if np.isfinite(differences).all():
            share = float(np.mean([cost.test / cost.train for cost in base.costs]))
            t, degrees, p = corrected_t_test(differences, share)
            found["corrected_t_test"] = {"t": t if np.isfinite(t) else None, "degrees_of_freedom": degrees, "p": p}
        if self.rows.groups is None and self.config.repeats == 1:
            more, fewer, p = mcnemar(self.rows.labels, plan.predicted[0], base.predicted[0])
            found["mcnemar"] = {"only_plan_right": more, "only_baseline_right": fewer, "p": p}
        return found

    def _interactions(self) -> list[dict[str, Any]]:
        """Return, for each pair of ``--pairs``, how far it is from the sum of its two plans' differences."""
        pairs = [p for p in self.grid.plans if len(p.parts) == 2 and all(n in self.judged for n in (p.name, *p.parts))]
        found = []
        for pair in pairs:
            names = (pair.name, *pair.parts, BASELINE)
            factors = (1.0, -1.0, -1.0, 1.0)
            value, spread = self.resampling.contrast(
                [(factor, self.judged[name].resampled) for factor, name in zip(factors, names, strict=True)],
                self.primary,
            )
            if not np.isfinite(value):
                continue
            known = isinstance(spread, Spread)
            together, first, second = (
                self.judged[name].resampled.value[self.primary] - self.judged[BASELINE].resampled.value[self.primary]
                for name in names[:3]
            )
            found.append(
                {
                    "pair": pair.name,
                    "parts": list(pair.parts),
                    "together": together,
                    "alone": [first, second],
                    "value": value,
                    "interval": list(spread.around(value)) if known else None,
                    "p": self._interaction_p(names, factors, value, spread),
                }
            )
        for entry, p in zip(found, _holm_known([entry["p"] for entry in found]), strict=True):
            entry["p_holm"] = p
            entry["words"] = interaction_words(entry, METRICS[self.primary], self.sign)
        return found

    def _interaction_p(
        self, names: Sequence[str], factors: Sequence[float], value: float, spread: Spread | Missing
    ) -> float | None:
        outcomes = [self.judged[name].outcome for name in names]
        if is_linear(self.primary, outcomes):
            parts = [f * unit_contributions(self.rows, o, self.primary) for f, o in zip(factors, outcomes, strict=True)]
            return sign_flip(np.sum(parts, axis=0), self.seed)
        if isinstance(spread, Missing) or spread.error <= 0:
            return None
        from scipy import stats

        return float(2 * stats.t.sf(abs(value) / spread.error, spread.degrees))

    def _sorted(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        def place(entry: Mapping[str, Any]) -> tuple[int, float]:
            value = entry["figures"][self.primary]["value"] if entry["complete"] else None
            return (1, 0.0) if value is None else (0, -self.sign * value)

        return sorted(entries, key=place)

    def _ungrouped(self) -> dict[str, Any]:
        """Return what the same plans seem to reach when nobody knows which rows belong together."""
        if self.rows.groups is None:
            return {"reason": "groups (patients) are not known, so there is nothing to ignore", "rows": []}
        found = []
        for plan in self.grid.plans:
            lack = self.grid.lacks(plan, ungrouped=True)
            if lack is not None or plan.name not in self.judged:
                found.append({"name": plan.name, "complete": False, "reason": lack or self.incomplete[plan.name]})
                continue
            rows, outcome = self.grid.read(plan, ungrouped=True)
            found.append(self._leaky(plan.name, rows, outcome))
            if plan.name == BASELINE:
                found.append(self._leaky(DECISION, rows, with_decision_moved(outcome, DECISION)))
        return {"reason": None, "rows": found}

    def _leaky(self, name: str, rows: Rows, outcome: Outcome) -> dict[str, Any]:
        """Return a plan's figures without groups, with the interval that one would print, and by how much they flatter."""
        naive = Resampling(rows, self.seed)
        figure = naive.of(outcome)
        interval = naive.interval(figure, self.primary)
        leaky = self.resampling.of(outcome, rows)
        value, spread = self.resampling.contrast([(1, leaky), (-1, self.judged[name].resampled)], self.primary)
        sensitivities = sensitivity_intervals(rows, outcome)
        return {
            "name": name,
            "complete": True,
            "figure": {
                "value": figure.value[self.primary],
                "interval": None if isinstance(interval, Missing) else list(interval),
            },
            "accuracy": figure.value["accuracy"],
            "sensitivities": [None if isinstance(s, Missing) else s[0] for s in sensitivities],
            "flatters_by": {
                "value": self.sign * value,
                "interval": None
                if isinstance(spread, Missing)
                else sorted(self.sign * v for v in spread.around(value)),
            },
        }


def _holm_known(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjustment of the p-values that there are."""
    known = [p for p in p_values if p is not None and np.isfinite(p)]
    adjusted = iter(holm(known))
    return [next(adjusted) if p is not None and np.isfinite(p) else None for p in p_values]
