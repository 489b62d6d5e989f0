"""What else is trained on a frozen backbone: against arithmetic, plain torch loops, and what must stay as it was."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import CosineHead, RunContext, ScaledHead, Strategy, hookimpl
from imbtk.errors import ConflictError, PlanError
from imbtk.models.saving import load_network, save_network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.heads.ncm import NCM
from imbtk_plugins.stages.decoupled.disalign import AlignedHead, Disalign
from imbtk_plugins.stages.decoupled.lws import LWS
from imbtk_plugins.stages.decoupled.max_norm import MaxNorm

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [60, 30, 14])
X = (RNG.normal(size=(len(LABELS), 4)) + LABELS[:, None]).astype(np.float32)
OPTIONS: dict[str, Any] = {"model": "mlp", "epochs": 4, "batch_size": 16, "device": "cpu", "precision": "fp32"}
found: dict[str, Any] = {}


class Peek(Strategy):
    """Look at the network when the second stage begins: before it in the plan."""

    @hookimpl
    def imbtk_network(self, network, training):
        found.update(network=copy.deepcopy(network).eval(), features=training.features().clone())


def trained(*plan: Any, **options: Any) -> Any:
    prepared = prepare(make_config({**OPTIONS, **options}), (X, LABELS), [Peek().at("50%-"), *plan])
    return fit(prepared, make_network(prepared))


@pytest.mark.parametrize("strategy", [LWS(), MaxNorm(), Disalign()])
def test_from_the_first_epoch_on_it_is_refused(strategy: Strategy) -> None:
    with pytest.raises(PlanError, match=f"write when it begins, {strategy.name}@80%- for the last fifth of the run"):
        trained(strategy)


@pytest.mark.parametrize("strategy", [LWS(), MaxNorm(), Disalign()])
def test_the_backbone_stays_as_it_was(strategy: Strategy) -> None:
    end = trained(strategy.at("50%-")).network
    for name, value in end.backbone.state_dict().items():
        assert torch.equal(value, found["network"].backbone.state_dict()[name]), name
    assert not end.frozen


def test_lws_learns_factors_alone_as_a_plain_loop_does() -> None:
    fitted = trained(LWS(rate=3.0).at("50%-"), weight_decay=0.1, lr=0.01)
    end, before, phase = fitted.network.head, found["network"].head, fitted.prepared.plan.phases[-1]
    assert isinstance(end, ScaledHead)
    assert torch.equal(end.linear.weight, before.weight)
    assert torch.equal(end.linear.bias, before.bias)
    factor = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.AdamW([factor], lr=0.03, weight_decay=0.0)
    batches = [part for epoch in (2, 3) for part in torch.split(phase.order(epoch), 16)]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for rows in batches:
        optimizer.zero_grad()
        logits = F.linear(found["features"][rows], before.weight.detach() * factor[:, None], before.bias.detach())
        F.cross_entropy(logits, phase.labels[rows]).backward()
        optimizer.step()
        schedule.step()
    assert not torch.allclose(factor, torch.ones(3), atol=1e-3)
    torch.testing.assert_close(end.factor.detach(), factor.detach(), rtol=1e-4, atol=1e-6)


def test_lws_saves_without_a_plugin(tmp_path) -> None:
    end = trained(LWS().at("50%-")).network.eval()
    save_network(tmp_path, end, {})
    x = torch.randn(3, 4)
    with torch.no_grad():
        assert torch.equal(load_network(tmp_path)[0](x), end(x))


def test_max_norm_weighs_classes_by_their_effective_number_and_keeps_weights_short() -> None:
    counts = torch.tensor([5000, 50, 0])
    context = RunContext(("a", "b", "c"), counts, counts, torch.zeros(0, dtype=torch.int64))
    weights = MaxNorm().imbtk_class_weights(context)
    expected = [(1 - 0.9999) / (1 - 0.9999**n) for n in (5000, 50)]
    assert weights.tolist() == pytest.approx([*expected, 0.0], rel=1e-9)
    end = trained(MaxNorm(norm=0.05).at("50%-"), lr=0.05).network.head
    assert float(end.weight.detach().norm(dim=1).max()) <= 0.05 + 1e-6
    assert float(end.bias.detach().abs().max()) <= 0.05 + 1e-6
    assert float(found["network"].head.weight.detach().norm(dim=1).max()) > 0.05


def test_max_norm_has_its_own_decay_and_gives_it_back() -> None:
    seen = []

    class Watch(Strategy):
        """Note the decay."""

        @hookimpl
        def imbtk_step(self, step):
            def watched(optimizer, closure):
                seen.append(max(group["weight_decay"] for group in optimizer.param_groups))
                return step(optimizer, closure)

            return watched

    trained(Watch().at("50%-"), MaxNorm(decay=0.3).at("50%-"), weight_decay=0.02)
    assert set(seen) == {0.3}
    seen.clear()
    trained(MaxNorm(decay=0.3).at("50%-"), Watch().at("50%-"), weight_decay=0.02)
    assert set(seen) == {0.02}


def test_disalign_is_its_formula_and_begins_as_the_head() -> None:
    head = torch.nn.Linear(5, 3)
    aligned, h = AlignedHead(head, 5, 3), torch.randn(7, 5)
    torch.testing.assert_close(aligned(h), head(h))
    with torch.no_grad():
        aligned.scale.copy_(torch.tensor([2.0, 0.5, 1.0]))
        aligned.shift.copy_(torch.tensor([0.1, -0.3, 0.0]))
        aligned.confidence.weight.normal_()
        aligned.confidence.bias.fill_(0.4)
        z = head(h)
        for row in range(7):
            sure = 1 / (1 + np.exp(-float(h[row] @ aligned.confidence.weight[0] + 0.4)))
            on_paper = (
                sure * (np.array([2.0, 0.5, 1.0]) * z[row].numpy() + [0.1, -0.3, 0.0]) + (1 - sure) * z[row].numpy()
            )
            assert aligned(h)[row].numpy() == pytest.approx(on_paper, rel=1e-5)


def test_disalign_trains_what_it_adds_and_no_more() -> None:
    end = trained(Disalign().at("50%-"), lr=0.01).network.head
    assert torch.equal(end.head.weight, found["network"].head.weight)
    assert not torch.allclose(end.scale, torch.ones(3), atol=1e-3)
    counts = torch.tensor([90, 10])
    context = RunContext(("a", "b"), counts, counts, torch.zeros(0, dtype=torch.int64))
    weights = Disalign(power=2).imbtk_class_weights(context)
    assert float(weights[1] / weights[0]) == pytest.approx(81.0)


def test_weights_beside_them_are_a_conflict() -> None:
    for strategy in (MaxNorm(), Disalign()):
        with pytest.raises(ConflictError, match="the choice of class weights is claimed by"):
            trained(strategy.at("50%-"), "class-weights")


def test_ncm_is_the_nearest_mean_of_normalised_features() -> None:
    fitted = trained(NCM(scale=7.0))
    network, rows = fitted.network.eval(), fitted.prepared.data.split.train
    assert isinstance(network.head, CosineHead)
    with torch.no_grad():
        features = network.features(fitted.batches.samples(rows))
        labels = fitted.prepared.data.dataset.labels[rows]
        logits = network.head(features)
    unit = (features / features.norm(dim=1, keepdim=True)).double().numpy()
    means = np.stack([unit[labels.numpy() == k].mean(0) for k in range(3)])
    cosines = unit @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    assert logits.numpy() == pytest.approx(7.0 * cosines, abs=1e-4)


def test_another_head_is_refused_with_its_maker() -> None:
    for strategy in (LWS(), MaxNorm()):
        with pytest.raises(PlanError, match=f"'{strategy.name}' does not know the head 'CosineHead' of strat"):
            trained("cosine-head", strategy.at("50%-"))


@pytest.mark.parametrize(
    "plan", [["lws@2-"], ["max-norm@2-"], ["disalign@2-"], ["mixup@0-2", "lws:statistics=true@2-"]]
)
def test_a_resumed_run_is_the_same_to_the_bit(plan: list[str]) -> None:
    assert resumed_equals_uninterrupted(plan, data="builtin:breast-cancer")
