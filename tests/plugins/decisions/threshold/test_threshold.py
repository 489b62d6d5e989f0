"""Fitted thresholds against brute force and scikit-learn, floors against the interval of the metrics."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef

from imbtk import DecisionRule, RunContext
from imbtk.errors import DataError, OptionError
from imbtk.evaluation.intervals import korn_graubard
from imbtk_plugins.decisions.threshold import Threshold


def context(names: tuple[str, ...] = ("benign", "malignant"), positive: int | None = 1) -> RunContext:
    counts = torch.ones(len(names), dtype=torch.int64)
    return RunContext(names, counts, counts, torch.arange(len(names)), positive=positive)


def rows(k: int, n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.choice(k, n - k, p=np.arange(k, 0, -1) / np.arange(1, k + 1).sum())])
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), labels] += 1
    return logits, labels


def macro_youden(truth: np.ndarray, called: np.ndarray) -> float:
    found = [(called[truth == k] == k).mean() + (called[truth != k] != k).mean() - 1 for k in np.unique(truth)]
    return float(np.mean(found))


FIGURES = {
    "balanced_accuracy": balanced_accuracy_score,
    "youden": macro_youden,
    "mcc": matthews_corrcoef,
}


def figure(metric: str, truth: np.ndarray, called: np.ndarray) -> float:
    if metric == "f1":
        two = len(np.unique(truth)) == 2
        return float(f1_score(truth, called, average="binary" if two else "macro", zero_division=0))
    return float(FIGURES[metric](truth, called))


def decide(
    strategy: Threshold,
    logits: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    kind: Literal["validation rows", "out-of-fold rows"] = "validation rows",
) -> DecisionRule:
    k = logits.shape[1]
    names = ("benign", "malignant") if k == 2 else tuple("abcde"[:k])
    told = dataclasses.replace(context(names, 1 if k == 2 else None), decision_rows=kind)
    return strategy.imbtk_decide(logits, labels, groups, told)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1", "youden", "mcc"])
def test_two_classes_get_the_best_of_all_thresholds(metric: str) -> None:
    logits, labels = rows(2)
    called = decide(Threshold(metric=metric), logits, labels).decide(logits, logits)
    places = np.sort(logits[:, 0] - logits[:, 1])
    cuts = np.concatenate([[places[0] - 1], (places[1:] + places[:-1]) / 2, [places[-1] + 1]])
    best = max(figure(metric, labels, (logits[:, 1] - logits[:, 0] + cut > 0).astype(int)) for cut in cuts)
    assert figure(metric, labels, called) == pytest.approx(best)
    assert best > figure(metric, labels, logits.argmax(1))


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1", "youden", "mcc"])
def test_no_single_class_can_improve_on_several_classes(metric: str) -> None:
    logits, labels = rows(3, 90)
    shift = decide(Threshold(metric=metric), logits, labels).shift
    assert shift is not None
    reached = figure(metric, labels, (logits + shift).argmax(1))
    assert reached > figure(metric, labels, logits.argmax(1))
    for k in range(3):
        for step in np.linspace(-4, 4, 81):
            moved = logits + shift + step * np.eye(3)[k]
            assert figure(metric, labels, moved.argmax(1)) <= reached + 1e-12


def test_what_cannot_be_improved_stays_as_trained() -> None:
    labels = np.arange(20) % 2
    logits = 3.0 * np.eye(2)[labels]
    np.testing.assert_allclose(decide(Threshold(), logits, labels).shift, 0, atol=1e-12)


def test_a_floor_is_the_sensitivity_on_the_rows_that_was_asked_for() -> None:
    logits, labels = rows(2, 600)
    lead = logits[:, 0] - logits[:, 1]
    for least in (0.7, 0.8, 0.95):
        rule = decide(Threshold(floor=f"malignant>={least}"), logits, labels, np.arange(600) // 3)
        assert rule.floor == (1, least)
        assert rule.name == f"the best specificity with a sensitivity of at least {least} for 'malignant'"
        assert rule.shift is not None
        called = lead < rule.shift[1]
        found = int(called[labels == 1].sum())
        # One row less would miss it, and no row of the other class is called without need.
        assert found == math.ceil(round(least * int((labels == 1).sum()), 9))
        assert called.sum() == (lead <= np.sort(lead[labels == 1])[found - 1]).sum()


@pytest.mark.parametrize("grouped", [False, True])
def test_a_floor_of_the_lower_limit_is_met_with_the_best_specificity(grouped: bool) -> None:
    logits, labels = rows(2, 600)
    groups = np.arange(600) // 3 if grouped else None
    rule = decide(Threshold(floor="malignant >= 0.8", bound="lower-limit"), logits, labels, groups)
    assert rule.floor == (1, 0.8)
    said = "the best specificity with a sensitivity with a lower 95 % limit of at least 0.8 for 'malignant'"
    assert rule.name == said
    assert rule.shift is not None

    def low_end(cut: float) -> float:
        found = (logits[:, 1] - logits[:, 0] + cut > 0)[labels == 1]
        return korn_graubard(found, None if groups is None else groups[labels == 1])[0]

    assert low_end(rule.shift[1]) >= 0.8
    # Any threshold with a higher specificity lies below: none of them meets the floor.
    lower = np.sort((logits[:, 0] - logits[:, 1])[logits[:, 0] - logits[:, 1] < rule.shift[1]])[:-1] + 1e-9
    assert all(low_end(cut) < 0.8 for cut in lower)


def test_groups_ask_for_more() -> None:
    logits, labels = rows(2, 600)
    strategy = Threshold(floor="malignant>=0.8", bound="lower-limit")
    alone = decide(strategy, logits, labels).shift
    # Patients whose rows stand or fall together are worth fewer rows.
    order = np.lexsort((logits[:, 1] - logits[:, 0], labels))
    groups = np.empty(600, dtype=np.int64)
    groups[order] = np.arange(600) // 5
    together = decide(strategy, logits, labels, groups).shift
    assert alone is not None
    assert together is not None
    assert together[1] > alone[1]


def test_a_floor_that_nobody_can_meet_says_the_best_reachable() -> None:
    labels = np.array([0] * 30 + [1] * 20)
    logits = 9.0 * np.eye(2)[labels]
    strategy = Threshold(floor="malignant>=0.95", bound="lower-limit")
    # The lower limit of 20 of 20 is 0.025 ** (1 / 20) = 0.832; of ten patients it is 0.025 ** (1 / 10) = 0.692.
    with pytest.raises(
        DataError,
        match=r"no threshold gives 'malignant' .* 0\.95 on its 20 validation rows: the best "
        r"reachable is 0\.831, with all of them found\. Ask for a lower floor, for the sensitivity itself",
    ):
        decide(strategy, logits, labels)
    with pytest.raises(DataError, match=r"20 validation rows of 10 groups: the best reachable is 0\.691"):
        decide(strategy, logits, labels, np.arange(50) // 2)


def test_out_of_fold_rows_are_called_so() -> None:
    labels = np.array([0] * 30 + [1] * 20)
    logits, strategy = 9.0 * np.eye(2)[labels], Threshold(floor="malignant>=0.95", bound="lower-limit")
    with pytest.raises(
        DataError, match=r"its 20 out-of-fold rows: the best .* Ask for a lower floor, for .*, or bring more"
    ):
        decide(strategy, logits, labels, kind="out-of-fold rows")
    with pytest.raises(
        DataError, match=r"its 20 validation rows: .* out-of-fold rows, which takes more trainings \(st"
    ):
        decide(strategy, logits, labels)


def test_a_class_without_validation_rows_is_named() -> None:
    logits, labels = rows(3)
    logits, labels = logits[labels != 2], labels[labels != 2]
    message = (
        r"fits thresholds on the \d+ validation rows, and none of them is of class 'c'\. Split with stratified-split"
    )
    with pytest.raises(DataError, match=message):
        decide(Threshold(), logits, labels)
    with pytest.raises(DataError, match="none of them is of class 'c'"):
        decide(Threshold(floor="c>=0.5"), logits, labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"floor": "malignant"}, "is no class with a sensitivity between 0 and 1: write floor=\"malignant>=0.95\""),
        ({"floor": "malignant>=1.2"}, "is no class with a sensitivity between 0 and 1"),
        ({"floor": "malignant>=high"}, "is no class with a sensitivity between 0 and 1"),
        ({"bound": "lower-limit"}, "bound=lower-limit says how a floor is met: give a floor as well"),
        ({"floor": "a>=0.5", "metric": "mcc"}, "'metric' and 'floor' are two ways to set thresholds: leave metric=mcc"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense(options: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Threshold(**options)
    assert message in str(caught.value)


def test_a_floor_for_a_class_that_there_is_not() -> None:
    with pytest.raises(
        OptionError, match=r"names the class 'malign', which the data do not have\. Did you mean 'malignant'"
    ):
        Threshold(floor="malign>=0.9").check_run(context())
    Threshold(floor="'malignant'>=0.9").check_run(context())


def test_the_positive_class_may_be_called_so() -> None:
    logits, labels = rows(2)
    named, called = (decide(Threshold(floor=f"{name}>=0.8"), logits, labels) for name in ("malignant", "positive"))
    assert named.floor == called.floor == (1, 0.8)
    assert np.array_equal(named.shift, called.shift)
    Threshold(floor="positive>=0.8").check_run(context())
    with pytest.raises(OptionError, match="names the class 'positive', which the data do not have"):
        Threshold(floor="positive>=0.8").check_run(context(("a", "b", "c"), positive=None))
    told = context(("positive", "negative"), positive=1)
    assert Threshold(floor="positive>=0.8")._of_class(told)[0] == "positive"
