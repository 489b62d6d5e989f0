"""From the cells of a folder to ``comparison.json``: metrics, tests, verdicts, and what must be said with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imbtk._version import __version__
from imbtk.comparison.config import check_primary, metric_of, metrics_of
from imbtk.comparison.curves import plan_curves
from imbtk.comparison.folder import ComparisonFolder
from imbtk.comparison.grid import BASELINE
from imbtk.comparison.judging import Judge
from imbtk.comparison.leak import leak_document
from imbtk.comparison.metrics import mean_confusion, sensitivity_intervals
from imbtk.comparison.outcomes import JudgedRows, Outcome, with_decision_moved
from imbtk.comparison.words import protocol_sentences, row_noun, row_warnings, unit_noun
from imbtk.errors import RunFolderError
from imbtk.evaluation.alarms import call_all_costs
from imbtk.evaluation.intervals import CONFIDENCE
from imbtk.evaluation.levels import missing_metric
from imbtk.evaluation.metrics import Missing
from imbtk.runs.format import COMPARISON
from imbtk.wording import several

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["CONDITIONAL_ON", "DECISION", "analyse"]

DECISION = "nothing, with the decision moved"
"""The row of the baseline's networks with another decision: no training of its own."""

CONDITIONAL_ON = (
    "given these trained models: intervals and tests say how metrics would vary over new {units} from where these "
    "came, not over another place"
)


def analyse(path: Path, offered: Mapping[str, ExtraMetric] | None = None) -> dict[str, Any]:
    """Return what ``comparison.json`` holds, from the folder alone.

    Parameters
    ----------
    path : Path
        Folder of a comparison.
    offered : mapping of str to callable, optional
        Metrics of plugins: needed if one of them is the primary one.

    Raises
    ------
    RunFolderError
        If the folder is no comparison, or its baseline is not done.
    OptionError
        If its primary metric is not there.
    """
    folder = ComparisonFolder(path, offered)
    check_primary(folder.config, offered or {})
    judge, incomplete = _judged(folder)
    entries = [_entry(judge, folder, outcome) for outcome in judge.outcomes.values()]
    judge.compare(entries)
    warnings = row_warnings(judge.rows, entries, row_noun(folder.protocol["data"]))
    if len(folder.costs) > 1:
        warnings.append("plans state different costs, so there is no cost by which all of them can be judged")
    entries += [{"name": n, "kind": "plan", "complete": False, "reason": reason} for n, reason in incomplete.items()]
    config, protocol = folder.config, folder.protocol
    document: dict[str, Any] = {
        "schema_version": COMPARISON.schema,
        "imbtk": __version__,
        "confidence_level": CONFIDENCE,
        "conditional_on": CONDITIONAL_ON,
        "data": _data(judge, folder),
        "unit": judge.unit,
        "primary": judge.primary,
        "primary_name": judge.primary_name,
        "higher_is_better": judge.metric.higher_is_better,
        "costs": _stated_cost(judge.rows),
        "margin": config.margin,
        "protocol": dict(protocol["options"]),
        "rows": sorted(entries, key=lambda entry: _place(judge, entry)),
        "interactions": judge.interactions(folder.plans),
        "left_out": protocol["left_out"],
        "ungrouped": leak_document(folder, judge, incomplete, DECISION) if config.also_ungrouped else None,
        "warnings": [*protocol["notes"], *warnings],
        "curves": {n: plan_curves(judge.rows, outcome, folder.positive) for n, outcome in judge.outcomes.items()},
    }
    document["conditional_on"] = CONDITIONAL_ON.format(units=several(unit_noun(document)))
    document["methods"] = protocol_sentences(document)
    return document


def _judged(folder: ComparisonFolder) -> tuple[Judge, dict[str, str]]:
    """Return the metrics of all plans whose cells are done, and why the others are not."""
    baseline = folder.plans[0]
    if (lack := folder.lacks(baseline)) is not None:
        raise RunFolderError(
            f"the baseline of '{folder.folder}' cannot be judged, and every plan is compared with it: {lack}. Give the "
            "same 'imbtk compare' command again to go on."
        )
    rows, outcome = folder.read(baseline)
    judge = Judge(rows, folder.config)
    judge.add(outcome)
    judge.add(with_decision_moved(outcome, DECISION))
    incomplete: dict[str, str] = {}
    for plan in folder.plans[1:]:
        if (lack := folder.lacks(plan)) is not None:
            incomplete[plan.name] = lack
            continue
        own, outcome = folder.read(plan)
        if not np.array_equal(own.fold, rows.fold):
            raise RunFolderError(f"the cells of '{plan.name}' have other folds than the baseline's. Use another --out.")
        judge.add(outcome)
    return judge, incomplete


def _stated_cost(rows: JudgedRows) -> dict[str, Any] | None:
    """Return the cost matrix, and what deciding every row for one class costs; None where plans state none."""
    if rows.cost is None:
        return None
    alone = call_all_costs(rows.labels, rows.cost)
    return {
        "matrix": rows.cost.tolist(),
        "all_alike": [{"name": n, "value": float(v)} for n, v in zip(rows.class_names, alone, strict=True)],
    }


def _place(judge: Judge, entry: Mapping[str, Any]) -> tuple[int, float]:
    """Return what rows are sorted by: best first, those without a metric last."""
    value = entry["figures"][judge.primary]["value"] if entry["complete"] else None
    return (1, 0.0) if value is None else (0, -judge.sign * value)


def _data(judge: Judge, folder: ComparisonFolder) -> dict[str, Any]:
    rows, known = judge.rows, folder.protocol["data"]
    groups = rows.groups
    return {
        "name": known["name"],
        "kind": known["kind"],
        "sample_shape": known.get("sample_shape"),
        "rows": len(rows.labels),
        "group_name": rows.group_name,
        "groups": None if groups is None else len(np.unique(groups)),
        "class_names": list(rows.class_names),
        "class_counts": np.bincount(rows.labels, minlength=rows.num_classes).tolist(),
        "class_groups": None
        if groups is None
        else [len(np.unique(groups[rows.labels == k])) for k in range(rows.num_classes)],
        "train_counts": folder.train_counts(),
        "positive_class": folder.config.positive,
    }


def shown_metrics(rows: JudgedRows) -> list[str]:
    """Return the metrics that a comparison of these rows has."""
    asked = [metric_of(key, rows.num_classes) if key != "expected_cost" else key for key in rows.asked]
    return metrics_of(rows.num_classes, asked)


def _entry(judge: Judge, folder: ComparisonFolder, outcome: Outcome) -> dict[str, Any]:
    rows, name = judge.rows, outcome.name
    per_class = []
    for k, found in enumerate(sensitivity_intervals(rows, outcome)):
        figure = (
            missing_metric(found)
            if isinstance(found, Missing)
            else {"value": found[0], "interval": list(found[1]), "method": "korn-graubard"}
        )
        per_class.append({"name": rows.class_names[k], "sensitivity": figure})
    return {
        "name": name,
        "kind": "baseline" if name == BASELINE else "decision" if name == DECISION else "plan",
        "parts": next((list(plan.parts) for plan in folder.plans if plan.name == name), []),
        "complete": True,
        "figures": {metric: _figure(judge, name, metric) for metric in shown_metrics(rows)},
        "per_class": per_class,
        "confusion": mean_confusion(rows, outcome).tolist(),
        "coverage": float((outcome.predicted >= 0).mean()),
        "cost": _cost(outcome, judge.outcomes[BASELINE]),
    }


def _figure(judge: Judge, name: str, metric: str) -> dict[str, Any]:
    value = judge.resampled[name].value[metric]
    if not np.isfinite(value):
        return missing_metric(Missing("it cannot be computed"))
    interval = judge.resampling.interval(judge.resampled[name], metric)
    if isinstance(interval, Missing):
        return {"value": value, "interval": None, "interval_reason": interval.reason}
    return {"value": value, "interval": list(interval), "method": f"bootstrap ({several(judge.unit)})"}


def _cost(outcome: Outcome, baseline: Outcome) -> dict[str, float]:
    seconds, base = (float(np.mean([cost.seconds for cost in o.costs])) for o in (outcome, baseline))
    return {
        "seconds": seconds,
        "samples_per_second": float(np.mean([cost.samples_per_second for cost in outcome.costs])),
        "relative": seconds / base if base else 1.0,
    }
