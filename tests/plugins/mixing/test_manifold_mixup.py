"""Manifold mixup: what is mixed where, against forward passes by hand, and what it goes together with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from plugins.resumed import resumed_equals_uninterrupted
from scipy import stats
from torch.nn import functional as F

from imbtk import Draw, RunContext, Strategy, hookimpl
from imbtk.authoring.records import Batch, Outputs
from imbtk.errors import ConflictError, OptionError, PlanError
from imbtk.models.builtin import imbtk_models
from imbtk.models.network import Network, build_network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.mixing.manifold_mixup import ManifoldMixup

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [60, 30, 14])
NAMES = np.array(["a", "b", "c"])[LABELS]
SHADES = RNG.normal(90, 30, size=(len(LABELS), 8, 8, 1)) + 50 * LABELS[:, None, None, None]
IMAGES = (np.clip(SHADES, 0, 255).astype(np.uint8), NAMES)
TABLE = ((RNG.normal(size=(len(LABELS), 4)) + LABELS[:, None]).astype(np.float32), NAMES)
SIZE = 12
"""Rows of a batch, and classes: each row is a class of its own, so that the target says which rows were mixed."""


def context(shape: tuple[int, ...]) -> RunContext:
    counts = torch.ones(SIZE, dtype=torch.int64)
    names = tuple(f"c{k}" for k in range(SIZE))
    return dataclasses.replace(RunContext(names, counts, counts, torch.arange(SIZE)), sample_shape=shape)


def network_of(model: str, shape: tuple[int, ...]) -> Network:
    return build_network(imbtk_models()[model], shape, lambda width: torch.nn.Linear(width, SIZE), seed=0)


def seen(model: str, shape: tuple[int, ...], epochs: int = 40) -> list[tuple[str, torch.Tensor, torch.Tensor, Any]]:
    """Return (layer, logits, mixed target, network and inputs) of a batch in several epochs, layer by what was done."""
    network, told, strategy = network_of(model, shape).eval(), context(shape), ManifoldMixup()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    strategy.imbtk_network(network, told)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not network.training
    mix, found = strategy.imbtk_mix(told), []

    def look(outputs: Outputs, batch: Batch) -> torch.Tensor:
        found.append((outputs.logits.detach(), batch.target))
        return F.cross_entropy(outputs.logits, batch.target, reduction="none")

    judged, result = strategy.imbtk_objective(look), []
    images, target = torch.randn(SIZE, *shape, generator=torch.Generator().manual_seed(1)), torch.eye(SIZE)
    for epoch in range(epochs):
        draws = [Draw(0, "manifold-mixup", epoch, np.arange(SIZE)) for _ in range(2)]
        inputs, mixed = mix(images, target, draws[0])
        batch = Batch(inputs, mixed, torch.arange(SIZE), torch.arange(SIZE), epoch=epoch)
        outputs, calls = network(inputs, outputs=True), list[Any]()
        handle = network.backbone.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        judged(outputs, batch, features=outputs.features, network=network, draw=draws[1])
        handle.remove()
        logits, labelled = found[-1]
        layer = "input" if not torch.equal(inputs, images) else "block" if calls else "features"
        assert torch.equal(mixed, labelled) == (layer == "input")  # mixed once, never twice
        result.append((layer, logits, labelled, (network, images)))
    assert len(found) == epochs
    assert not any(module._forward_pre_hooks for module in network.modules())
    return result


def test_the_network_goes_on_from_what_is_mixed_mlp() -> None:
    layers = set()
    for layer, logits, target, (network, rows) in seen("mlp", (5,)):
        backbone = network.backbone
        # Row b of the target holds the shares of all rows in mixture b: a mixture is target @ rows.
        rows = target @ rows if layer == "input" else rows
        hidden = F.relu(backbone.hidden1(rows))
        hidden = target @ hidden if layer == "block" else hidden
        features = F.relu(backbone.hidden2(hidden))
        features = target @ features if layer == "features" else features
        torch.testing.assert_close(logits, network.head(features), rtol=1e-4, atol=1e-5)
        layers.add(layer)
    assert layers == {"input", "block", "features"}


def test_the_network_goes_on_from_what_is_mixed_images() -> None:
    layers = set()
    for layer, logits, target, (network, images) in seen("small-cnn", (1, 8, 8), 12):
        name = network.backbone.last_block
        assert name == f"layers.{len(network.backbone.layers) - 1}"
        shares = target.double()

        def mixed(maps: torch.Tensor, shares: torch.Tensor = shares) -> torch.Tensor:
            return torch.einsum("bi,i...->b...", shares, maps.double()).float()

        maps = mixed(images) if layer == "input" else images
        maps = network.backbone.layers[:-1](maps)
        maps = mixed(maps) if layer == "block" else maps
        after = network.backbone.layers[-1](maps)
        features = torch.cat([after.mean((2, 3)), after.amax((2, 3))], dim=1)
        features = mixed(features) if layer == "features" else features
        torch.testing.assert_close(logits, network.head(features), rtol=1e-4, atol=1e-5)
        layers.add(layer)
    assert layers == {"input", "block", "features"}


def test_of_a_linear_model_all_layers_are_one() -> None:
    layers = []
    for layer, logits, target, (network, rows) in seen("linear", (5,)):
        torch.testing.assert_close(logits, network(target @ rows), rtol=1e-4, atol=1e-5)
        layers.append(layer)
    assert set(layers) == {"input", "features"}


def test_what_goes_round_the_last_block_leaves_it_out() -> None:
    assert {layer for layer, *_ in seen("table-mlp", (5,))} == {"input", "features"}


def test_layers_come_equally_often_and_shares_are_beta() -> None:
    found = seen("mlp", (5,), 600)
    layers = [layer for layer, *_ in found]
    assert stats.chisquare([layers.count(layer) for layer in ("input", "block", "features")]).pvalue > 1e-3
    targets = torch.cat([target for _, _, target, _ in found])
    torch.testing.assert_close(targets.sum(1), torch.ones(len(targets)))
    own = torch.cat([target.diagonal() for _, _, target, _ in found])
    share = own[(own > 0) & (own < 1)].double().numpy()  # a row that met itself has all of it
    assert len(share) == pytest.approx(len(own) * (1 - 1 / SIZE), rel=0.03)
    assert stats.kstest(share, stats.beta(2, 2).cdf).pvalue > 1e-3
    first = [[float(target[0, 0]) for layer, _, target, _ in found if layer == name] for name in set(layers)]
    assert stats.kruskal(*first).pvalue > 1e-3  # the layer says nothing of the shares


@pytest.mark.parametrize("epoch", range(5))
def test_a_batch_of_one_is_judged_as_it_is(epoch: int) -> None:
    network, strategy = network_of("mlp", (5,)).eval(), ManifoldMixup()
    strategy.imbtk_network(network, context((5,)))
    row, target, draw = torch.randn(1, 5), torch.eye(SIZE)[[3]], Draw(0, "manifold-mixup", epoch, np.arange(1))
    judged = strategy.imbtk_objective(lambda o, b: F.cross_entropy(o.logits, b.target, reduction="none"))
    batch = Batch(row, target, torch.arange(1), torch.tensor([3]), epoch=epoch)
    outputs = network(row, outputs=True)
    loss = judged(outputs, batch, features=outputs.features, network=network, draw=draw)
    torch.testing.assert_close(loss, F.cross_entropy(outputs.logits, target, reduction="none"))


class Look(Strategy):
    """See what is judged."""

    @hookimpl
    def imbtk_objective(self, objective: Any) -> Any:
        def judged(outputs: Outputs, batch: Batch) -> torch.Tensor:
            looked.append((len(batch.target), float((batch.target.max(1).values < 1).float().mean())))
            loss: torch.Tensor = objective(outputs, batch)
            return loss

        return judged


looked: list[tuple[int, float]] = []


@pytest.mark.parametrize(("model", "data"), [("mlp", TABLE), ("small-cnn", IMAGES), ("table-mlp", TABLE)])
def test_in_training_every_batch_is_mixed(model: str, data: Any) -> None:
    looked.clear()
    config = make_config({"model": model, "epochs": 3, "batch_size": 16, "device": "cpu"})
    prepared = prepare(config, data, [Look(), "manifold-mixup", "class-weights:scheme=sqrt"])
    assert prepared.plan.phases[0].ledger.effective is None
    network = make_network(prepared)
    history = fit(prepared, network).history
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    shares = [share for size, share in looked if size == 16]
    assert len(shares) >= 12
    assert min(shares) > 0  # some pairs are of one class, no whole batch is
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_it_trains_at_half_precision() -> None:
    config = make_config({"model": "small-cnn", "epochs": 3, "batch_size": 16, "device": "cpu", "precision": "bf16"})
    prepared = prepare(config, IMAGES, ["manifold-mixup"])
    history = fit(prepared, make_network(prepared)).history
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_it_resumes_also_from_the_middle_and_beside_experts() -> None:
    assert resumed_equals_uninterrupted(["manifold-mixup@30%-"], data=TABLE, batch_size=16)
    plan = ["ride:experts=2", "manifold-mixup"]
    assert resumed_equals_uninterrupted(plan, data=IMAGES, model="small-cnn", batch_size=16, epochs=2)


@pytest.mark.parametrize("other", ["ride:experts=2", "bbn"])
def test_what_puts_other_logits_in_their_place_is_written_before_it(other: str) -> None:
    def losses(*plan: str) -> list[float]:
        prepared = prepare(make_config({"model": "mlp", "epochs": 2, "device": "cpu"}), TABLE, list(plan))
        return [record["train_loss"] for record in fit(prepared, make_network(prepared)).history]

    assert np.isfinite(losses(other, "manifold-mixup")).all()
    with pytest.raises(PlanError, match="a strategy after it in the plan put others in their place: write"):
        losses("manifold-mixup", other)


def test_bad_options_and_plans_are_refused() -> None:
    with pytest.raises(OptionError, match="option 'alpha' of strategy 'manifold-mixup'"):
        ManifoldMixup(alpha=0.0)
    options = {"model": "mlp", "device": "cpu"}
    with pytest.raises(PlanError, match="'manifold-mixup' blends rows of one batch, and a batch has one: take --batch"):
        prepare(make_config({**options, "batch_size": 1}), TABLE, ["manifold-mixup"])
    with pytest.raises(ConflictError, match="the choice of mix is claimed by 'manifold-mixup'"):
        prepare(make_config(options), TABLE, ["manifold-mixup", "mixup"])
    prepared = prepare(make_config({**options, "accumulate": 2}), TABLE, ["manifold-mixup"])
    with pytest.raises(PlanError, match="'manifold-mixup' looks at a whole batch at once, and --accumulate 2 cuts"):
        fit(prepared, make_network(prepared))
