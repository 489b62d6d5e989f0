"""The leak, shown: what the same plans seem to reach when nobody knows which rows come from one patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imbtk.comparison.folder import ComparisonFolder
from imbtk.comparison.grid import BASELINE
from imbtk.comparison.judging import Judge
from imbtk.comparison.metrics import Resampling, sensitivity_intervals
from imbtk.comparison.outcomes import JudgedRows, Outcome, with_decision_moved
from imbtk.evaluation.metrics import Missing
from imbtk.wording import several

__all__ = ["leak_document"]


def leak_document(
    folder: ComparisonFolder, judge: Judge, incomplete: Mapping[str, str], decision: str
) -> dict[str, Any]:
    """Return the metrics with patients ignored, and by how much that flatters each plan.

    Parameters
    ----------
    folder : ComparisonFolder
    judge : Judge
        With all plans that are complete, groups kept.
    incomplete : mapping of str to str
        The others, with the reason.
    decision : str
        Name of the decision-only row.
    """
    if judge.rows.groups is None:
        return {"reason": f"{several(judge.rows.group_name)} are not known, so there is nothing to ignore", "rows": []}
    found = []
    for plan in folder.plans:
        reason = folder.lacks(plan, ungrouped=True) or incomplete.get(plan.name)
        if reason is not None:
            found.append({"name": plan.name, "complete": False, "reason": reason})
            continue
        rows, outcome = folder.read(plan, ungrouped=True)
        found.append(_leaky(judge, rows, outcome))
        if plan.name == BASELINE:
            found.append(_leaky(judge, rows, with_decision_moved(outcome, decision)))
    return {"reason": None, "rows": found}


def _leaky(judge: Judge, rows: JudgedRows, outcome: Outcome) -> dict[str, Any]:
    """Return a plan's metric with the interval that such a study would print, and how much of it the leak made.

    The same rows are predicted with and without the leak, so the difference is paired; its interval is over patients.
    """
    naive = Resampling(rows, judge.seed)
    figures, metric = naive.of(outcome), judge.primary
    interval = naive.interval(figures, metric)
    leaky = judge.resampling.of(outcome, rows)
    value, spread = judge.resampling.contrast([(1.0, leaky), (-1.0, judge.resampled[outcome.name])], metric)
    ends = None if isinstance(spread, Missing) else sorted(judge.sign * end for end in spread.around(value))
    sensitivities = sensitivity_intervals(rows, outcome)
    return {
        "name": outcome.name,
        "complete": True,
        "figure": {
            "value": figures.value[metric],
            "interval": None if isinstance(interval, Missing) else list(interval),
        },
        "accuracy": figures.value["accuracy"],
        "sensitivities": [None if isinstance(found, Missing) else found[0] for found in sensitivities],
        "flatters_by": {"value": judge.sign * value, "interval": ends},
    }
