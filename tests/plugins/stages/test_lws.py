"""Learnable weight scaling: beside a plain loop over frozen features, its laws, and what it goes together with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from plugins.begun import check_predictions, clusters, train
from plugins.resumed import resumed_equals_uninterrupted
from plugins.stages.second_stages import (
    OPTIONS,
    TABLE,
    Peek,
    check_before_and_backbone,
    found,
    plain_loop,
    ready,
    trained,
)
from torch import nn

import imbtk
from imbtk import CosineHead, Network, ScaledHead, Strategy, hookimpl
from imbtk.errors import ConflictError, PlanError
from imbtk.models.branches import ExpertHead
from imbtk.models.heads import LinearHead
from imbtk_plugins.stages.decoupled.lws import LWS


@pytest.mark.parametrize("window", [None, "0-50%"])
def test_from_the_first_epoch_on_it_is_refused(window: str | None) -> None:
    with pytest.raises(PlanError, match="write when it begins, lws@80%- for the last fifth of the run"):
        ready(LWS() if window is None else LWS().at(window))


def test_factors_are_learnt_as_a_plain_loop_learns_them_and_nothing_else() -> None:
    prepared = ready(LWS(rate=3.0).at("50%-"), Peek().at("50%-"), lr=0.01, clip_norm=None)
    end = trained(prepared).network.head
    begun = found["network"].head
    factor = torch.ones(3, requires_grad=True)

    def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(factor * (features @ begun.linear.weight.detach().T), labels)

    plain_loop(prepared, loss, [{"params": [factor], "weight_decay": 0.0}], 0.03)
    assert float((factor.detach() - 1).abs().max()) > 0.05
    torch.testing.assert_close(end.factor, factor, rtol=1e-4, atol=1e-5)
    assert torch.equal(end.linear.weight, begun.linear.weight)
    assert end.linear.bias is None


def test_before_its_window_it_is_not_there_and_the_backbone_stays() -> None:
    check_before_and_backbone("lws")


def begun(head: nn.Module) -> Network:
    network = Network(nn.Linear(3, 2), head, (3,))
    LWS().imbtk_network(network)
    return network


def test_it_begins_with_the_head_as_it_was_but_for_the_bias() -> None:
    head, x = LinearHead(2, 3), torch.randn(5, 2)
    network = begun(head)
    torch.testing.assert_close(network.head(x), x @ head.weight.T)
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["head.factor"]
    network.thaw("head")
    assert network.head.linear.weight.requires_grad


def test_each_expert_has_factors_and_a_second_window_goes_on() -> None:
    once = begun(ExpertHead([LinearHead(2, 3), LinearHead(2, 3)], parted=False))
    trained_here = [name for name, p in once.named_parameters() if p.requires_grad]
    assert trained_here == ["head.heads.0.factor", "head.heads.1.factor"]
    scaled = ScaledHead(2, 3, bias=False)
    nn.init.constant_(scaled.factor, 2.5)
    assert begun(scaled).head.factor.tolist() == [2.5] * 3


class OwnHead(Strategy):
    """Make a head that knows no lengths."""

    @hookimpl
    def imbtk_head(self, in_features: int, context: Any) -> nn.Module:
        return CosineHead(in_features, context.num_classes)


def test_a_head_that_is_not_linear_is_refused_before_training() -> None:
    with pytest.raises(PlanError, match="'lws' does not know the head 'CosineHead'"):
        trained(ready(OwnHead(), "lws@50%-"))


def test_the_ledger_says_alike_and_what_balances_twice_is_refused() -> None:
    plan = ready("lws@50%-").plan
    assert [round(phase.ledger.index or 0.0, 6) for phase in plan.phases] == [0.0, 1.0]
    with pytest.raises(PlanError, match="too far in epochs 2-4"):
        ready("lws@50%-", "class-weights")
    with pytest.raises(ConflictError, match="the choice of epoch order is claimed by"):
        ready("lws@50%-", "crt@50%-")


def test_it_finds_rare_classes_more_often() -> None:
    data = clusters((300, 40, 12), spread=3.0)
    runs = [train(data, plan, epochs=8) for plan in ([], ["lws@50%-"])]
    plain, scaled = (run.history[-1]["validation_balanced_accuracy"] for run in runs)
    assert scaled > plain + 0.05


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["lws@50%-"], {"early_stop": "balanced_accuracy"}),
        (["lws@25-75%", "ema"], {"optimizer": "sgd"}),
        (["ride", "lws@50%-"], {}),
    ],
)
def test_killed_and_resumed_it_is_the_same(plan: Any, options: Any) -> None:
    assert resumed_equals_uninterrupted(plan, data=TABLE, model="mlp", **OPTIONS, **options)


def test_a_run_is_loaded_without_plugins(tmp_path: Any, monkeypatch: Any) -> None:
    imbtk.run(TABLE, ["lws@50%-"], model="mlp", quiet=True, out=tmp_path / "run", **OPTIONS)
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    check_predictions(tmp_path / "run", TABLE[0])
