"""Limited lengths: beside what the published code gave, a plain loop over frozen features, its laws, and runs of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
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

from imbtk import CosineHead, Network, RunContext, Strategy, hookimpl
from imbtk.errors import ConflictError, PlanError
from imbtk.models.branches import ExpertHead
from imbtk.models.heads import LinearHead
from imbtk_plugins.stages.decoupled.max_norm import MaxNorm

WEIGHT = torch.tensor([[3.0, 4.0, 0.0], [1.0, 2.0, 2.0], [0.0, 0.0, 1.0], [6.0, 2.0, 3.0]])


def test_from_the_first_epoch_on_it_is_refused() -> None:
    with pytest.raises(PlanError, match="write when it begins, max-norm@80%- for the last fifth of the run"):
        ready("max-norm")


def linear(weight: torch.Tensor = WEIGHT) -> LinearHead:
    head = LinearHead(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(weight)
    return head


def limited(head: nn.Module, **options: Any) -> nn.Module:
    network = Network(nn.Linear(3, 3), head, (3,))
    MaxNorm(**options).imbtk_network(network)
    return network.head


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (
            0.1,
            [
                [0.96, 1.28, 0],
                [0.5333334, 1.0666667, 1.0666667],
                [0, 0, 1],
                [1.371428609, 0.457142860, 0.6857143],
            ],
        ),
        (0.5, [[2.400000095, 3.200000048, 0], [1, 2, 2], [0, 0, 1], [3.428571701, 1.142857194, 1.714285851]]),
    ],
)
def test_lengths_5_3_1_and_7_as_the_published_code_limits_them(threshold: float, expected: Any) -> None:
    head = limited(linear(), threshold=threshold)
    torch.testing.assert_close(head.weight.detach(), torch.tensor(expected), rtol=0, atol=2e-6)
    assert head.weight.requires_grad
    assert head.bias.tolist() == [0.0] * 4
    assert limited(LinearHead(3, 4, bias=False)).bias is None


def test_the_whole_way_limits_nothing_equal_lengths_stay_and_permuted_classes_are_permuted() -> None:
    assert torch.equal(limited(linear(), threshold=1).weight, WEIGHT)
    alike = nn.functional.normalize(WEIGHT, dim=1)
    torch.testing.assert_close(limited(linear(alike)).weight.detach(), alike)
    assert torch.equal(limited(linear(WEIGHT.flip(0))).weight, limited(linear()).weight.flip(0))
    zero = torch.zeros(2, 3)
    assert torch.equal(limited(linear(zero)).weight, zero)
    assert torch.equal(limited(linear(torch.tensor([[0.0] * 3, [1.0] * 3])), threshold=0).weight, zero)


def test_each_expert_has_its_own_limit_and_other_heads_are_refused() -> None:
    two = limited(ExpertHead([linear(), linear(10 * WEIGHT)], parted=False))
    torch.testing.assert_close(10 * two.heads[0].weight, two.heads[1].weight)
    with pytest.raises(PlanError, match="'max-norm' does not know the head 'CosineHead'"):
        trained(ready(OwnHead(), "max-norm@50%-"))


class OwnHead(Strategy):
    """Make a head that knows no lengths."""

    @hookimpl
    def imbtk_head(self, in_features: int, context: Any) -> nn.Module:
        return CosineHead(in_features, context.num_classes)


def context(*counts: int) -> RunContext:
    rows = torch.tensor(counts)
    return RunContext(tuple(map(str, range(len(counts)))), rows, rows, torch.repeat_interleave(rows))


def test_weights_as_the_published_code_gives_them() -> None:
    weights = MaxNorm().imbtk_class_weights(context(500, 50, 5))
    expected = [0.027689599633111177, 0.2707630215907054, 2.7015473787761835]
    assert (3 * weights / weights.sum()).tolist() == pytest.approx(expected, rel=1e-9)
    assert MaxNorm().imbtk_class_weights(context(7, 0))[1] == 0


@given(st.integers(1, 10**7), st.floats(0, 0.999999))
def test_weights_of_equal_counts_are_equal(count: int, beta: float) -> None:
    rows = torch.tensor([count, count])
    one, two = MaxNorm(beta=beta).imbtk_class_weights(RunContext(("a", "b"), rows, rows, torch.empty(0))).tolist()
    assert one == two > 0


def test_the_second_stage_is_what_a_plain_loop_trains() -> None:
    prepared = ready(
        MaxNorm(rate=3.0, decay=0.5, threshold=0.3).at("50%-"),
        Peek().at("50%-"),
        lr=0.01,
        clip_norm=None,
        weight_decay=0,
    )
    end = trained(prepared).network.head
    begun = found["network"].head
    weight, bias = begun.weight.detach().clone().requires_grad_(), begun.bias.detach().clone().requires_grad_()
    limit = float(begun.weight.detach().norm(dim=1).max())  # it was limited when the window began
    counts = found["labels"].bincount().double()
    raw = (1 - 0.9999) / (1 - 0.9999**counts)
    weights = (raw * counts.sum() / (raw * counts).sum()).float()

    def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        losses = nn.functional.cross_entropy(features @ weight.T + bias, labels, reduction="none")
        return (weights[labels] * losses).mean()

    cuts = 0

    def project() -> None:
        nonlocal cuts
        with torch.no_grad():
            cuts += int((weight.norm(dim=1) > limit).sum())
            weight.copy_(weight.renorm(2, 0, limit))

    groups = [{"params": [weight], "weight_decay": 0.5}, {"params": [bias], "weight_decay": 0.0}]
    plain_loop(prepared, loss, groups, 0.03, project)
    assert cuts > 3, "made so that it matters"
    torch.testing.assert_close(end.weight, weight, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(end.bias, bias, rtol=1e-3, atol=1e-4)
    assert float(end.weight.detach().norm(dim=1).max()) <= limit * (1 + 1e-5)


def test_before_its_window_it_is_not_there_and_the_backbone_stays() -> None:
    check_before_and_backbone("max-norm")


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_its_weight_decay_ends_with_its_window(model: str) -> None:
    seen = {}

    class Watch(Strategy):
        """Look at the weight decay of the head when a step begins."""

        @hookimpl
        def imbtk_step(self, step: Any) -> Any:
            def watched(optimizer: Any, closure: Any, *, network: Network) -> torch.Tensor:
                groups = [g for g in optimizer.param_groups if any(p is network.head.weight for p in g["params"])]
                seen[len(seen)] = groups[0]["weight_decay"]
                return step(optimizer, closure)

            return watched

    def decays(*plan: Any) -> list[float]:
        seen.clear()
        trained(ready(*plan, model=model, epochs=3, batch_size=128, weight_decay=0.25))
        return list(seen.values())[-3:]

    # A step of max-norm that comes after in the plan stands around the one that it was handed.
    assert decays(Watch(), MaxNorm(decay=0.5).at("34-67%")) == [0.25, 0.5, 0.25]


def test_the_ledger_has_its_weights() -> None:
    index = [round(phase.ledger.index or 0.0, 2) for phase in ready("max-norm@50%-").plan.phases]
    assert index == [0.0, 1.0]
    with pytest.raises(ConflictError, match="the choice of class weights is claimed by"):
        ready("max-norm@50%-", "class-weights@50%-")
    with pytest.raises(PlanError, match="too far in epochs 2-4"):
        ready("max-norm@50%-", "balanced-softmax")


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["max-norm@50%-"], {"early_stop": "balanced_accuracy"}),
        (["max-norm@25-75%", "ema"], {"optimizer": "sgd"}),
        (["ride", "max-norm@50%-"], {}),
        (["max-norm@25-75%"], {"model": "linear"}),
    ],
)
def test_killed_and_resumed_it_is_the_same(plan: Any, options: Any) -> None:
    assert resumed_equals_uninterrupted(plan, **{"data": TABLE, "model": "mlp", **OPTIONS, **options})
