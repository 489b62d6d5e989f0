"""Plans that correct the class frequencies twice, with the strategies that come with imbtk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imbtk.errors import PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun


def data(rows: int = 400, rare: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 3)).astype(np.float32), (rng.random(rows) < rare).astype(int)


def prepared(*strategies: str, on: Any = None, **options: Any) -> PreparedRun:
    config = make_config({"epochs": 10, "device": "cpu", **options})
    return prepare(config, data() if on is None else on, ["stratified-split", *strategies])


def index(run: PreparedRun) -> float:
    found = run.plan.phases[-1].ledger.index
    assert found is not None
    return found


def test_weights_and_a_balanced_order_are_refused_with_both_names() -> None:
    message = (
        r"correction index is 2\.0\d, where 0 leaves .*\('class-weights' alone has index 1\.00, 'oversample' alone has "
        r"index 1\.0\d\)\. At work together: 'class-weights' and 'oversample'\. Take one away"
    )
    with pytest.raises(PlanError, match=message):
        prepared("class-weights", "oversample")


def test_three_correctors_are_refused_with_all_three() -> None:
    with pytest.raises(PlanError, match=r"index is 3\.0\d.* 'class-weights' and 'oversample' and 'logit-adjust'"):
        prepared("class-weights", "oversample", "logit-adjust")


@pytest.mark.parametrize("first", ["oversample", "class-weights", "logit-adjust"])
def test_balanced_softmax_on_top_of_another_is_refused(first: str) -> None:
    """A balanced sampler with balanced softmax: the reference code of a well-known paper had it."""
    with pytest.raises(PlanError, match=f"'{first}' and 'balanced-softmax'"):
        prepared(first, "balanced-softmax")


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (["focal-loss", "logit-adjust"], 1.0),
        (["class-weights:scheme=sqrt", "oversample:power=0.5"], 1.0),
        (["class-weights:scheme=sqrt", "logit-adjust:tau=0.5"], 1.0),
        (["oversample", "logit-adjust:mode=posthoc"], 1.0),
        (["logit-adjust:tau=0.2"], 0.2),
        (["oversample@0-60%", "class-weights@60%-"], 1.0),
        (["resample", "class-weights"], 1.0),
        (["resample", "balanced-softmax"], 1.0),
    ],
)
def test_what_adds_up_is_not_refused(plan: list[str], expected: float) -> None:
    run = prepared(*plan)
    assert index(run) == pytest.approx(expected, abs=0.02)
    assert not [line for line in run.plan.warnings if "too far" in line]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("options", ["", ":replacement=true", ":epoch_size=64"])
def test_oversampling_few_rows_is_never_refused(seed: int, options: str) -> None:
    run = prepared(f"oversample{options}", on=data(300, 0.05, seed), seed=seed)
    assert index(run) == pytest.approx(1.0, abs=0.05)


def test_one_strategy_that_goes_too_far_was_asked_for() -> None:
    run = prepared("logit-adjust:tau=1.5")
    assert index(run) == pytest.approx(1.5, abs=0.02)
    assert [line for line in run.plan.warnings if "too far" in line]


def test_costs_that_the_user_wrote_down_warn() -> None:
    run = prepared("class-weights:scheme=custom,weights={0: 1, 1: 9}", "oversample")
    assert index(run) > 1.9
    said = [line for line in run.plan.warnings if "too far" in line]
    assert len(said) == 1
    assert "'class-weights' and 'oversample'" in said[0]


def test_the_user_can_insist() -> None:
    run = prepared("class-weights", "oversample", allow_overcorrection=True)
    assert [line for line in run.plan.warnings if "the plan corrects the class frequencies too far" in line]


@pytest.mark.parametrize(
    ("plan", "exact"),
    [
        ([], True),
        (["class-weights"], True),
        (["logit-adjust"], True),
        (["focal-loss:gamma=0"], True),
        (["focal-loss"], False),
        (["focal-loss", "logit-adjust"], False),
        (["resample:method=SMOTE"], False),
    ],
)
def test_phases_know_whether_the_ledger_is_exact(plan: list[str], exact: bool) -> None:
    assert prepared(*plan).plan.phases[0].exact is exact
