"""Distribution alignment: arithmetic on paper, a plain loop over frozen features, its laws, and runs of it."""

from __future__ import annotations

import math
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

import imbtk
from imbtk import Network, RunContext
from imbtk.errors import ConflictError, PlanError
from imbtk.models.branches import ExpertHead
from imbtk.models.heads import LinearHead
from imbtk_plugins.stages.decoupled.disalign import AlignedHead, Disalign


def test_from_the_first_epoch_on_it_is_refused() -> None:
    with pytest.raises(PlanError, match="write when it begins, disalign@80%- for the last fifth of the run"):
        ready("disalign")


def context(*counts: int) -> RunContext:
    rows = torch.tensor(counts)
    return RunContext(tuple(map(str, range(len(counts)))), rows, rows, torch.empty(0))


def test_logits_and_weights_on_paper() -> None:
    head = LinearHead(2, 2)
    aligned = AlignedHead(head, 2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 2.0], [0.5, -1.0]]))
        head.bias.copy_(torch.tensor([0.1, -0.2]))
        aligned.scale.copy_(torch.tensor([0.5, 3.0]))
        aligned.shift.copy_(torch.tensor([-1.0, 2.0]))
        aligned.confidence.weight.copy_(torch.tensor([[0.3, -0.6]]))
        aligned.confidence.bias.copy_(torch.tensor([0.2]))
    # h = (2, 1): z = (4.1, -0.2), v·h + b = 0.2
    share = 1 / (1 + math.exp(-0.2))
    expected = [share * (0.5 * 4.1 - 1) + (1 - share) * 4.1, share * (3 * -0.2 + 2) + (1 - share) * -0.2]
    assert aligned(torch.tensor([[2.0, 1.0]]))[0].tolist() == pytest.approx(expected, abs=1e-6)
    # The published layer for classification: z + σ·((α - 1)·z + β).
    published = [4.1 + share * (-0.5 * 4.1 - 1), -0.2 + share * (2 * -0.2 + 2)]
    assert published == pytest.approx(expected, abs=1e-12)
    weights = Disalign(rho=1.2).imbtk_class_weights(context(500, 0, 5))
    assert weights.tolist() == pytest.approx([1.0, 0.0, 100**1.2])


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=6), st.permutations(range(6)))
def test_weights_of_equal_counts_are_equal_and_permuted_classes_are_permuted(counts: Any, turn: Any) -> None:
    assert Disalign().imbtk_class_weights(context(*[counts[0]] * 3)).tolist() == [1, 1, 1]
    assert Disalign(rho=0).imbtk_class_weights(context(*counts)).tolist() == [1] * len(counts)
    turn = [number for number in turn if number < len(counts)]
    weights = Disalign().imbtk_class_weights(context(*counts))
    torch.testing.assert_close(Disalign().imbtk_class_weights(context(*[counts[k] for k in turn])), weights[turn])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_begins_with_the_network_as_it_was_and_stays_finite(dtype: torch.dtype) -> None:
    head = LinearHead(4, 3)
    aligned = AlignedHead(head, 4, 3).to(dtype)
    for size in (1, 7):
        x = 1e4 * torch.randn(size, 4).to(dtype)
        assert bool(aligned(x).isfinite().all())
        tolerance = 1e-5 if dtype == torch.float32 else 2e-2
        torch.testing.assert_close(aligned(x), head(x), rtol=tolerance, atol=tolerance)


def test_what_is_learnt_is_what_a_plain_loop_learns() -> None:
    prepared = ready(Disalign(rate=3.0).at("50%-"), Peek().at("50%-"), lr=0.01, clip_norm=None, weight_decay=0.1)
    end = trained(prepared).network.head
    begun = found["network"].head
    scale, shift = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    v, b = begun.confidence.weight.detach().clone(), begun.confidence.bias.detach().clone()
    v.requires_grad_()
    b.requires_grad_()
    counts = found["labels"].bincount()
    # Weights 1 / n of mean 1 over the rows, whose K classes have n rows each.
    weights = counts.sum() / (3 * counts)

    def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            z = begun.head(features)
        share = torch.sigmoid(features @ v.T + b)
        losses = nn.functional.cross_entropy(z + share * ((scale - 1) * z + shift), labels, reduction="none")
        return (weights[labels] * losses).mean()

    plain_loop(
        prepared, loss, [{"params": [v], "weight_decay": 0.1}, {"params": [scale, shift, b], "weight_decay": 0.0}], 0.03
    )
    assert float((scale.detach() - 1).abs().max()) > 0.03
    for mine, other in ((end.scale, scale), (end.shift, shift), (end.confidence.weight, v), (end.confidence.bias, b)):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)
    assert torch.equal(end.head.weight, begun.head.weight)
    assert torch.equal(end.head.bias, begun.head.bias)


def test_before_its_window_it_is_not_there_and_the_backbone_stays() -> None:
    check_before_and_backbone("disalign")


def test_experts_are_aligned_alike() -> None:
    network = Network(nn.Linear(3, 4), ExpertHead([LinearHead(2, 3), LinearHead(2, 3)], parted=True), (3,))
    one, x = network.head, torch.randn(5, 4)
    network.branches = 2
    network.head = AlignedHead(one, 4, 3)
    nn.init.constant_(network.head.shift, 2.0)
    nn.init.constant_(network.head.confidence.weight, 0.0)
    nn.init.constant_(network.head.confidence.bias, 50.0)
    torch.testing.assert_close(network.classify(x).logits, one(x).mean(0) + 2)


def test_the_ledger_has_its_weights() -> None:
    index = [round(phase.ledger.index or 0.0, 6) for phase in ready("disalign:rho=0.5@50%-").plan.phases]
    assert index == [0.0, 0.5]
    with pytest.raises(ConflictError, match="the choice of class weights is claimed by"):
        ready("disalign@50%-", "class-weights@50%-")
    with pytest.raises(PlanError, match="too far in epochs 2-4"):
        ready("disalign@50%-", "balanced-softmax")


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["disalign@50%-"], {"early_stop": "balanced_accuracy"}),
        (["disalign@25-75%", "ema"], {"optimizer": "sgd"}),
        (["ride", "disalign@50%-"], {}),
    ],
)
def test_killed_and_resumed_it_is_the_same(plan: Any, options: Any) -> None:
    assert resumed_equals_uninterrupted(plan, data=TABLE, model="mlp", **OPTIONS, **options)


def test_a_run_is_saved_and_loaded_without_plugins(tmp_path: Any, monkeypatch: Any) -> None:
    made = imbtk.run(TABLE, ["disalign@50%-"], model="mlp", quiet=True, out=tmp_path / "run", **OPTIONS)
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    loaded = imbtk.load(tmp_path / "run", trust_model=True)
    torch.testing.assert_close(loaded.predict_proba(TABLE[0]), made.predict_proba(TABLE[0]), rtol=0, atol=1e-5)
