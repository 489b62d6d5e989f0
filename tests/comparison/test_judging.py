"""Plans against the baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import BASELINE, PlanRow
from imbtk.comparison.judging import NOT_JUDGED, Judge
from imbtk.planning.plan import Plan


def judged(simulate, primary: str = "balanced_accuracy", margin: float | None = None, lift: float = 1.5):  # type: ignore[no-untyped-def]
    rows, (better, base, alike) = simulate(3, plans=3, lift=lift, patients=(30, 20), repeats=1)
    judge = Judge(rows, make_comparison_config({"primary": primary, "margin": margin, "repeats": 1}))
    for outcome, name in ((base, BASELINE), (better, "better"), (alike, "alike")):
        judge.add(replace(outcome, name=name))
    entries = [{"name": name} for name in (BASELINE, "better", "alike")]
    judge.compare(entries)
    return judge, {entry["name"]: entry for entry in entries}


@pytest.mark.parametrize("primary", ["balanced_accuracy", "mcc", "auroc", "log_loss"])
def test_what_is_better_is_called_better_whatever_is_measured(simulate, primary: str) -> None:  # type: ignore[no-untyped-def]
    judge, entries = judged(simulate, primary)
    assert entries["better"]["verdict"] == "better"
    assert entries["alike"]["verdict"] == "no evidence of a difference"
    difference = entries["better"]["difference"]
    assert judge.sign * difference["value"] > 0
    assert ("swap" in difference["method"]) == (primary != "balanced_accuracy")
    low, high = difference["interval"]
    assert low < difference["value"] < high
    assert difference["secondary"]["corrected_t_test"]["degrees_of_freedom"] == 3
    assert difference["secondary"]["mcnemar"] is None


def test_a_wide_margin_makes_plans_that_are_alike_equivalent(simulate) -> None:  # type: ignore[no-untyped-def]
    _, entries = judged(simulate, margin=0.3)
    assert entries["alike"]["verdict"] == "equivalent within the margin"
    assert entries["alike"]["equivalence"]["p_not_worse"] < 0.05


@pytest.mark.parametrize(("patients", "verdict"), [((30, 6), "no evidence of a difference"), ((80, 70), "equivalent")])
def test_plans_that_decide_every_row_alike_are_equivalent_only_where_that_says_something(
    simulate, patients: tuple[int, int], verdict: str
) -> None:  # type: ignore[no-untyped-def]
    rows, (first, second) = simulate(3, patients=patients, repeats=1)
    judge = Judge(rows, make_comparison_config({"margin": 0.05, "repeats": 1}))
    judge.add(replace(first, name=BASELINE))
    judge.add(replace(second, name="twin", predicted=first.predicted))
    (entry,) = entries = [{"name": "twin"}]
    judge.compare(entries)
    assert entry["verdict"].startswith(verdict)
    assert entry["equivalence"]["p_equivalent"] == pytest.approx(0.95 ** min(patients))
    assert (entry["difference"]["value"], entry["difference"]["interval"]) == (0.0, None)
    assert "say nothing of its spread" in entry["difference"]["interval_reason"]
    assert entry["difference"]["detectable"] is None


def test_holm_is_over_the_rows(simulate) -> None:  # type: ignore[no-untyped-def]
    _, entries = judged(simulate)
    p = [entries[name]["difference"]["p"] for name in ("better", "alike")]
    assert entries["better"]["difference"]["p_holm"] == pytest.approx(min(1, 2 * p[0]))


def test_a_figure_that_cannot_be_computed_is_not_judged(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (first, second) = simulate(0)
    judge = Judge(rows, make_comparison_config({"primary": "mcc"}))
    judge.add(replace(first, name=BASELINE, predicted=np.zeros_like(first.predicted)))
    judge.add(replace(second, name="plan"))
    entries = [{"name": "plan"}]
    judge.compare(entries)
    assert entries[0]["verdict"] == NOT_JUDGED


@pytest.mark.parametrize("primary", ["balanced_accuracy", "auroc"])
def test_a_pair_is_judged_against_the_sum_of_its_parts(simulate, primary: str) -> None:  # type: ignore[no-untyped-def]
    rows, outcomes = simulate(5, plans=4, lift=2.5, patients=(40, 30))
    judge = Judge(rows, make_comparison_config({"primary": primary}))
    for outcome, name in zip(outcomes, ("a b", BASELINE, "a", "b"), strict=True):
        judge.add(replace(outcome, name=name))
    pair = PlanRow("a b", Plan(()), parts=("a", "b"))
    (found,) = judge.interactions([PlanRow("a", Plan(())), pair])
    values = {name: judge.resampled[name].value[primary] for name in judge.outcomes}
    assert found["value"] == pytest.approx(values["a b"] - values["a"] - values["b"] + values[BASELINE])
    assert found["p_holm"] < 0.05
    assert "better than the two alone add up to" in found["words"]
