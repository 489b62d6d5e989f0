"""Classifier re-training: the second stage beside a plain loop over frozen features, and what it goes together with."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import Draw, RunContext, Strategy, hookimpl
from imbtk.calibration.probabilities import why_inexact
from imbtk.errors import ConflictError, PlanError
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training.fitting import Fitted, fit, make_network
from imbtk_plugins.stages.decoupled.crt import CRT

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [60, 30, 14])
NAMES = np.array(["a", "b", "c"])[LABELS]
PIXELS = RNG.normal(90, 30, size=(len(LABELS), 8, 8, 1)) + 50 * LABELS[:, None, None, None]
IMAGES = (np.clip(PIXELS, 0, 255).astype(np.uint8), NAMES)
TABLE = ((RNG.normal(size=(len(LABELS), 4)) + LABELS[:, None]).astype(np.float32), NAMES)
OPTIONS: dict[str, Any] = {"epochs": 4, "batch_size": 16, "device": "cpu", "precision": "fp32"}


def ready(*plan: Any, data: Any = TABLE, **options: Any) -> PreparedRun:
    model = "small-cnn" if data is IMAGES else "mlp"
    return prepare(make_config({"model": model, **OPTIONS, **options}), data, list(plan))


def trained(prepared: PreparedRun) -> Fitted:
    return fit(prepared, make_network(prepared))


class Peek(Strategy):
    """Look at the network when the second stage begins: after crt in the plan."""

    @hookimpl
    def imbtk_network(self, network: Network, training: Any) -> None:
        if network.frozen:
            found.update(
                head=copy.deepcopy(network.head),
                backbone={name: value.clone() for name, value in network.backbone.state_dict().items()},
                features=training.features().clone(),
                labels=training.labels.clone(),
            )


found: dict[str, Any] = {}


@pytest.mark.parametrize("window", [None, "0-50%", "0-"])
def test_from_the_first_epoch_on_it_is_refused(window: str | None) -> None:
    with pytest.raises(PlanError, match="write when it begins, crt@80%- for the last fifth of the run"):
        ready(CRT() if window is None else CRT().at(window))


def test_the_second_stage_is_logistic_regression_on_what_the_network_sees() -> None:
    prepared = ready(CRT(rate=3.0).at("50%-"), Peek().at("50%-"), weight_decay=0.1, lr=0.01, clip_norm=None)
    end = trained(prepared).network
    # Beside it: a plain loop of PyTorch's own parts over the features, in the same order.
    head, phase = found["head"], prepared.plan.phases[-1]
    begun = head.weight.detach().clone()
    optimizer = torch.optim.AdamW(
        [{"params": [head.weight], "weight_decay": 0.1}, {"params": [head.bias], "weight_decay": 0.0}], lr=0.03
    )
    batches = [part for epoch in (2, 3) for part in torch.split(phase.order(epoch), 16)]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for rows in batches:
        optimizer.zero_grad()
        logits = head(found["features"][rows])
        torch.nn.functional.cross_entropy(logits, found["labels"][rows]).backward()
        optimizer.step()
        schedule.step()
    assert float((end.head.weight.detach() - begun).abs().max()) > 0.05
    torch.testing.assert_close(end.head.weight, head.weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(end.head.bias, head.bias, rtol=1e-4, atol=1e-5)


def test_the_backbone_stays_statistics_and_all_and_the_head_begins_anew() -> None:
    prepared = ready(CRT().at("50%-"), Peek().at("50%-"), data=IMAGES)
    first = make_network(prepared).head
    network = trained(prepared).network
    after = network.backbone.state_dict()
    assert any("running_mean" in name for name in after)
    assert all(torch.equal(after[name], value) for name, value in found["backbone"].items())
    assert not network.frozen
    assert network.head_version == 1
    assert not torch.equal(found["head"].weight, first.weight)
    torch.testing.assert_close(found["head"].bias, torch.full((3,), 1 / 3).log())  # where classes are shown alike


def test_before_its_window_it_is_not_there() -> None:
    plain, with_it = trained(ready()).history, trained(ready("crt@50%-")).history
    keys = ("train_loss", "validation_log_loss", "lr")
    assert [[r[key] for key in keys] for r in plain[:2]] == [[r[key] for key in keys] for r in with_it[:2]]
    assert with_it[2]["lr"] > 5 * with_it[3]["lr"]


def test_classes_come_alike_in_an_epoch_as_long_as_the_data() -> None:
    counts = torch.tensor([50, 0, 7, 3])
    labels = torch.repeat_interleave(torch.arange(4), counts)
    order = CRT().imbtk_epoch_order(RunContext(("a", "b", "c", "d"), counts, counts, labels))
    rows = order.draw_epoch(5, Draw(0, "crt", 5))
    assert torch.bincount(labels[rows], minlength=4).tolist() == [20, 0, 20, 20]
    assert order.class_mass is not None
    torch.testing.assert_close(order.class_mass, torch.tensor([1, 0, 1, 1], dtype=torch.float64) / 3)
    assert len(rows.unique()) == 30  # each of the rare, and 20 of the 50


def test_the_rate_may_go_on_as_the_runs() -> None:
    assert CRT(restart=False).imbtk_schedule() is None
    plain, kept = trained(ready()).history, trained(ready("crt:restart=false@50%-")).history
    assert [r["lr"] for r in plain] == [r["lr"] for r in kept]


def test_the_ledger_says_alike_and_calibration_that_phases_differ() -> None:
    plan = ready("crt@50%-").plan
    assert [round(phase.ledger.index or 0.0, 6) for phase in plan.phases] == [0.0, 1.0]
    assert all(phase.exact for phase in plan.phases)
    assert why_inexact(plan) == "phases differ in the class frequencies that they show"


def test_what_balances_twice_in_its_window_is_refused() -> None:
    with pytest.raises(PlanError, match="too far in epochs 2-4"):
        ready("crt@50%-", "class-weights")
    with pytest.raises(ConflictError, match="the choice of epoch order is claimed by 'crt@50%-'"):
        ready("crt@50%-", "oversample")


class Average(Strategy):
    """Follow the weights, and end with their average."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        self.keep("average", lambda: copy.deepcopy(network).requires_grad_(False))
        self._version = network.head_version

    @hookimpl
    def imbtk_step(self, step: Any) -> Any:
        def averaged(optimizer: Any, closure: Any, *, network: Network) -> torch.Tensor:
            loss: torch.Tensor = step(optimizer, closure)
            average = self.modules()["average"]
            with torch.no_grad():
                anew = self._version != network.head_version
                self._version = network.head_version
                for mine, its in zip(average.parameters(), network.parameters(), strict=True):
                    mine.lerp_(its, 1.0 if anew else 0.1)
            return loss

        return averaged

    @hookimpl
    def imbtk_finish(self, network: Network) -> None:
        with torch.no_grad():
            for mine, its in zip(self.modules()["average"].parameters(), network.parameters(), strict=True):
                its.copy_(mine)


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["crt@50%-", "class-weights@0-50%"], {}),
        (["oversample@0-50%", "crt@50%-"], {"early_stop": "log_loss"}),
        ([Average(), "crt@50%-"], {}),
        (["crt@25-75%"], {"optimizer": "sgd"}),
    ],
)
def test_killed_and_resumed_it_is_the_same(plan: Any, options: Any) -> None:
    assert resumed_equals_uninterrupted(plan, data=TABLE, model="mlp", **OPTIONS, **options)


def test_killed_and_resumed_it_is_the_same_with_batch_norm() -> None:
    plan = [Average(), "crt@50%-", "augment"]
    assert resumed_equals_uninterrupted(plan, data=IMAGES, model="small-cnn", **OPTIONS, early_stop="balanced_accuracy")
