"""What runs, loops of one's own and scikit-learn have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from imbtk import CalibrationMap, DecisionRule, RunContext, Strategy, hookimpl
from imbtk.config import make_config
from imbtk.errors import PluginError
from imbtk.fitting import choose_decision, fit, head_maker, make_network, needs_rows, own_random_state
from imbtk.plan import PlanItem
from imbtk.preparation import PreparedRun, prepare
from imbtk.run_folder import plan_document


class Answers(Strategy):
    """Answer with something that is none."""

    @hookimpl
    def imbtk_head(self, in_features: int) -> Any:
        return "a head"

    @hookimpl
    def imbtk_refit(self, head: torch.nn.Module) -> Any:
        return None

    @hookimpl
    def imbtk_decide(self, context: RunContext) -> Any:
        return 0.5


class Cost(Strategy):
    """Decide by what labels say."""

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray, context: RunContext) -> DecisionRule:
        return DecisionRule(shift=logits.mean(0))


class Zero(Strategy):
    """Refit the head to zeros."""

    @hookimpl
    def imbtk_refit(self, head: torch.nn.Linear, features: torch.Tensor) -> torch.nn.Module:
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        return head


def prepared(*strategies: Strategy) -> PreparedRun:
    x = np.random.default_rng(0).normal(size=(60, 3))
    return prepare(make_config({"epochs": 2, "device": "cpu"}), (x, np.arange(60) % 3 // 2), strategies)


def test_training_leaves_the_callers_random_state_and_needs_no_folder() -> None:
    run = prepared()
    before = torch.random.get_rng_state()
    with own_random_state():
        fitted = fit(run, make_network(run))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [record["epoch"] for record in fitted.history] == [0, 1]
    assert fitted.logits(run.split.test).shape == (len(run.split.test), 2)


def test_the_head_starts_at_the_prior() -> None:
    run = prepared()
    counts = run.context.natural_counts.double()
    assert make_network(run).head.bias.tolist() == pytest.approx((counts / counts.sum()).log().tolist())


def test_the_head_is_refitted() -> None:
    run = prepared(Zero())
    assert np.abs(fit(run, make_network(run)).logits(run.split.test)).max() == 0


def test_rules_that_look_at_rows() -> None:
    cost, answers = (PlanItem(strategy, None, "acme", "x") for strategy in (Cost(), Answers()))
    assert (needs_rows(cost, "imbtk_decide"), needs_rows(answers, "imbtk_decide")) == (True, False)
    logits = np.array([[1.0, 3.0]])
    assert choose_decision(prepared(), logits, CalibrationMap()) == DecisionRule()


def test_wrong_answers_are_named() -> None:
    run = prepared(Answers())
    with pytest.raises(PluginError, match=r"strategy 'answers' .* returned str, not a torch Module, from imbtk_head"):
        make_network(run)
    with pytest.raises(PluginError, match=r"strategy 'answers' .* returned str, not a torch Module, from imbtk_head"):
        head_maker(run.plan.items, run.context)(3)
    with pytest.raises(PluginError, match=r"'answers' .* returned float, not a DecisionRule, from imbtk_decide"):
        choose_decision(run, np.zeros((1, 2)), CalibrationMap())
    with pytest.raises(PluginError, match=r"'answers' .* returned NoneType, not a torch Module, from imbtk_refit"):
        fit(run, make_network(prepared()))


@pytest.mark.parametrize(
    ("options", "decay"),
    [
        # 38 training rows are one batch: 100 epochs are 100 steps of the 2000 at which the decay of mlp is whole.
        ({"epochs": None}, 0.075),
        ({"epochs": 5000}, 1.5),
        ({"epochs": None, "lr": 1e-2}, 0.0075),
        ({"weight_decay": 0.3}, 0.3),
        ({"weight_decay": 0.0}, 0.0),
        ({"optimizer": "sgd"}, 0.01),
        ({"model": "linear", "lr": 0.5}, 0.0002),
    ],
)
def test_the_models_own_weight_decay_is_resolved_and_used(options: dict[str, Any], decay: float) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    run = prepare(make_config({"device": "cpu", **options}), (x, np.arange(60) % 3 // 2))
    assert run.config.weight_decay == decay
    assert f"weight decay {decay:g}," in dict(map(tuple, plan_document(run)["defaults"]))["training"]


def test_the_resolved_weight_decay_is_what_training_uses() -> None:
    weights = []
    for decay in (None, 0.03, 5.0):
        x = np.random.default_rng(0).normal(size=(60, 3))
        config = make_config({"epochs": 40, "device": "cpu", "weight_decay": decay})
        run = prepare(config, (x, np.arange(60) % 3 // 2))
        with own_random_state():
            network = fit(run, make_network(run)).network
        weights.append(torch.cat([parameter.flatten() for parameter in network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
