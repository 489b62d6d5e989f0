"""What tests of second stages share: a run, and a look at the network when its second stage begins."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from imbtk import Strategy, hookimpl
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training.fitting import Fitted, fit, make_network

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [60, 30, 14])
NAMES = np.array(["a", "b", "c"])[LABELS]
PIXELS = RNG.normal(90, 30, size=(len(LABELS), 8, 8, 1)) + 50 * LABELS[:, None, None, None]
IMAGES = (np.clip(PIXELS, 0, 255).astype(np.uint8), NAMES)
TABLE = ((RNG.normal(size=(len(LABELS), 4)) + LABELS[:, None]).astype(np.float32), NAMES)
OPTIONS: dict[str, Any] = {"epochs": 4, "batch_size": 16, "device": "cpu", "precision": "fp32"}

found: dict[str, Any] = {}
"""What the last :class:`Peek` saw."""


class Peek(Strategy):
    """Look at the network when the second stage begins: after it in the plan."""

    @hookimpl
    def imbtk_network(self, network: Network, training: Any) -> None:
        if network.frozen:
            found.update(
                network=copy.deepcopy(network), features=training.features().clone(), labels=training.labels.clone()
            )


def ready(*plan: Any, data: Any = TABLE, **options: Any) -> PreparedRun:
    model = "small-cnn" if data is IMAGES else "mlp"
    return prepare(make_config({"model": model, **OPTIONS, **options}), data, list(plan))


def trained(prepared: PreparedRun) -> Fitted:
    return fit(prepared, make_network(prepared))


def plain_loop(prepared: PreparedRun, loss: Any, groups: list[Any], lr: float, after: Any = None) -> None:
    """Train on the features that Peek saw, in the order of the last two of four epochs, with PyTorch's own parts."""
    optimizer = torch.optim.AdamW(groups, lr=lr)
    batches = [part for epoch in (2, 3) for part in torch.split(prepared.plan.phases[-1].order(epoch), 16)]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for rows in batches:
        optimizer.zero_grad()
        loss(found["features"][rows], found["labels"][rows]).backward()
        optimizer.step()
        schedule.step()
        if after is not None:
            after()


def check_before_and_backbone(name: str) -> None:
    """Assert that a stage is not there before its window, moves no backbone in it, and leaves nothing frozen."""
    plain, with_it = trained(ready(data=IMAGES)), trained(ready(f"{name}@50%-", Peek().at("50%-"), data=IMAGES))
    keys = ("train_loss", "validation_log_loss", "lr")
    assert [[r[k] for k in keys] for r in plain.history[:2]] == [[r[k] for k in keys] for r in with_it.history[:2]]
    before, after = found["network"].backbone.state_dict(), with_it.network.backbone.state_dict()
    assert any("running_mean" in key for key in after)
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert not with_it.network.frozen
    assert all(parameter.requires_grad for parameter in with_it.network.parameters())
