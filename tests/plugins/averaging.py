"""Runs whose weights are written down after each step, for tests of what averages them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from imbtk import RunContext, Strategy, hookimpl
from imbtk.authoring.records import TakeStep, TrainingRows
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import Fitted, fit, make_network


class Writes(Strategy):
    """Write down networks after each step, and the training rows that are told of at the end."""

    networks: ClassVar[list[Network]] = []
    inputs: ClassVar[list[torch.Tensor]] = []

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Callable[..., torch.Tensor]:
        def written(optimizer: Any, closure: Any, *, network: Network) -> torch.Tensor:
            loss = step(optimizer, closure)
            self.networks.append(copy.deepcopy(network))
            return loss

        return written

    @hookimpl
    def imbtk_finish(self, training: TrainingRows) -> None:
        self.inputs[:] = training.inputs()


class Crt(Strategy):
    """Train a new head alone, on classes shown equally often."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        network.freeze("backbone")
        network.renew_head()

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        shares = (1.0 / context.class_counts.double().clamp(min=1))[context.labels]
        return lambda epoch, draw: torch.multinomial(shares, len(shares), True, generator=draw.generator())


class Branch(Strategy):
    """Give the network two branches."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        network.branch(2)


def images() -> tuple[np.ndarray, np.ndarray]:
    generator, labels = np.random.default_rng(0), np.repeat(np.arange(3), [40, 14, 6])
    pixels = generator.normal(0.4, 0.1, size=(60, 1, 8, 8)) + 0.1 * labels[:, None, None, None]
    return pixels.clip(0, 1).astype(np.float32), labels


STEPS = 3
"""Steps of an epoch: 40 rows or so in batches of 16."""

SETTINGS: dict[str, Any] = {
    "epochs": 4, "seed": 1, "model": "small-cnn", "batch_size": 16, "lr": 0.01, "device": "cpu", "precision": "fp32",
}  # fmt: skip


def trained(strategies: Sequence[Any], **options: Any) -> tuple[Fitted, list[Network]]:
    """Return a finished run, and the network after each of its steps where :class:`Writes` is in the plan."""
    prepared = prepare(make_config(SETTINGS | options), images(), strategies)
    network = make_network(prepared)
    Writes.networks.clear()
    return fit(prepared, network), list(Writes.networks)


def parameters(network: Network, part: str = "") -> list[torch.Tensor]:
    """Return weights as float64, in the network's order."""
    return [parameter.detach().double() for parameter in network.get_submodule(part).parameters()]


def weighted(networks: Sequence[Network], shares: Sequence[float], part: str = "") -> list[torch.Tensor]:
    """Return Σ share·weights over networks."""
    rows = zip(*(parameters(network, part) for network in networks), strict=True)
    return [sum(share * value for share, value in zip(shares, row, strict=True)) for row in rows]  # type: ignore[misc]


def assert_weights(network: Network, expected: Sequence[torch.Tensor], part: str = "") -> None:
    """Compare a network's weights to those expected, within single precision."""
    for found, value in zip(parameters(network, part), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-6)
