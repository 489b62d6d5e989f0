"""Metrics with all repeats against scikit-learn, and their intervals against simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from imbtk.comparison.metrics import (
    Resampling,
    Spread,
    figures,
    fold_metrics,
    hit_rates,
    mean_confusion,
    sensitivity_intervals,
    unit_contributions,
)
from imbtk.evaluation.intervals import korn_graubard
from imbtk.evaluation.metrics import Missing


def values(rows, outcome) -> dict[str, float]:  # type: ignore[no-untyped-def]
    unit = rows.unit
    found = figures(rows, outcome, unit, np.ones((int(unit.max()) + 1, 1)))
    return {name: float(value[0]) for name, value in found.items() if value.ndim == 1}


def test_counts_are_pooled_in_each_repeat_then_averaged(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(0, repeats=3)
    found, y = values(rows, outcome), rows.labels
    for name, reference in (
        ("accuracy", metrics.accuracy_score),
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("mcc", metrics.matthews_corrcoef),
        ("macro_f1", lambda a, b: metrics.f1_score(a, b, average="macro")),
    ):
        assert found[name] == pytest.approx(np.mean([reference(y, p) for p in outcome.predicted])), name


def test_ranks_and_losses_are_computed_in_each_fold_then_averaged(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(1, repeats=2, folds=4)
    expected: dict[str, list[float]] = {"auroc": [], "log_loss": [], "brier": []}
    for r in range(2):
        for f in range(4):
            where = rows.fold[r] == f
            y, p = rows.labels[where], outcome.probabilities[r, where]
            expected["auroc"].append(metrics.roc_auc_score(y, p[:, 1]))
            expected["log_loss"].append(metrics.log_loss(y, p))
            expected["brier"].append(metrics.brier_score_loss(y, p[:, 1]))
    found = values(rows, outcome)
    for name, cells in expected.items():
        assert found[name] == pytest.approx(np.mean(cells)), name
        assert fold_metrics(rows, outcome, name) == pytest.approx(cells), name


def test_contributions_of_units_sum_to_the_figure(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(2, repeats=3, patients=(10, 8, 6))
    for name in ("balanced_accuracy", "accuracy"):
        assert unit_contributions(rows, outcome, name).sum() == pytest.approx(values(rows, outcome)[name])


def test_confusion_is_the_mean_over_repeats(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(3)
    expected = np.mean([metrics.confusion_matrix(rows.labels, p) for p in outcome.predicted], axis=0)
    assert mean_confusion(rows, outcome) == pytest.approx(expected)


def test_repeats_add_no_rows_to_an_interval(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(4, repeats=1)
    many = replace(
        outcome,
        predicted=np.repeat(outcome.predicted, 7, axis=0),
        probabilities=np.repeat(outcome.probabilities, 7, axis=0),
        priors=np.repeat(outcome.priors, 7, axis=0),
    )
    repeated = replace(rows, fold=np.repeat(rows.fold, 7, axis=0))
    once, seven = sensitivity_intervals(rows, outcome), sensitivity_intervals(repeated, many)
    for a, b in zip(once, seven, strict=True):
        assert not isinstance(a, Missing)
        assert not isinstance(b, Missing)
        assert (a[0], *a[1]) == pytest.approx((b[0], *b[1]))
    where = rows.labels == 0
    right = outcome.predicted[0, where] == 0
    assert once[0][1] == pytest.approx(korn_graubard(right, rows.groups[where]))  # type: ignore[index]
    spreads = []
    for r, o in ((rows, outcome), (repeated, many)):
        resampling = Resampling(r, seed=0, resamples=200)
        spreads.append(resampling.contrast([(1.0, resampling.of(o))], "balanced_accuracy")[1])
    assert spreads[0].error == pytest.approx(spreads[1].error)  # type: ignore[union-attr]


def test_hit_rates_are_shares_of_repeats(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(5, repeats=2)
    outcome.predicted[:, 0] = -1
    outcome.predicted[:, 1] = [rows.labels[1], 1 - rows.labels[1]]
    rates = hit_rates(rows, outcome)
    assert np.isnan(rates[0])
    assert rates[1] == 0.5


def test_a_difference_of_equal_plans_has_no_spread(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(6)
    resampling = Resampling(rows, seed=0, resamples=100)
    plan = resampling.of(outcome)
    value, spread = resampling.contrast([(1.0, plan), (-1.0, plan)], "balanced_accuracy")
    assert value == 0.0
    assert spread == Missing("it is the same in all resamples, which say nothing of its spread")


def test_intervals_of_a_difference_cover_and_its_standard_error_is_right(simulate) -> None:  # type: ignore[no-untyped-def]
    # Two plans that are alike, in 120 studies: the true difference is 0.
    errors, differences, held = [], [], 0
    for seed in range(120):
        rows, (first, second) = simulate(1000 + seed, patients=(20, 12), folds=2)
        resampling = Resampling(rows, seed=seed, resamples=80)
        value, spread = resampling.contrast(
            [(1.0, resampling.of(first)), (-1.0, resampling.of(second))], "balanced_accuracy"
        )
        assert isinstance(spread, Spread)
        low, high = spread.around(value)
        held += low <= 0 <= high
        errors.append(spread.error)
        differences.append(value)
    assert held / 120 >= 0.90
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.2)


def test_a_figure_at_its_end_has_no_interval(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(7)
    perfect = replace(outcome, predicted=np.tile(rows.labels, (2, 1)))
    resampling = Resampling(rows, seed=0, resamples=50)
    found = resampling.interval(resampling.of(perfect), "balanced_accuracy")
    assert found == Missing("at 1 the resamples show no spread")
