"""Small strategies on each of the seams of a training, for its tests."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Outputs, TrainingRows
from imbtk.authoring.weights import renew_batch_norm
from imbtk.models.network import Network


class TwoBranches(Strategy):
    """Two branches, the second judged on rows drawn evenly from all classes."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        network.branch(2)

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Any:
        shares = (1.0 / context.class_counts.double().clamp(min=1))[context.labels]
        return lambda epoch, order, draw: torch.multinomial(shares, len(order), True, generator=draw.generator())

    @hookimpl
    def imbtk_objective(self, objective: Any) -> Any:
        def both(outputs: Outputs, batch: Batch, *, partner: Batch, network: Network) -> torch.Tensor:
            assert outputs.experts is not None
            other = network(partner.inputs, outputs=True)
            first: torch.Tensor = objective(outputs.but(logits=outputs.experts[0]), batch)
            second: torch.Tensor = objective(other.but(logits=other.experts[1]), partner)
            return first + second

        return both


class SecondView(Strategy):
    """Ask that projections of two views of a row be alike; the projection is trained too."""

    whole_batch = True

    @hookimpl
    def imbtk_partner(self) -> Any:
        return lambda epoch, order, draw: order

    @hookimpl
    def imbtk_objective(self, objective: Any, in_features: int) -> Any:
        projection = self.keep("projection", lambda: torch.nn.Linear(in_features, 3))

        def alike(outputs: Outputs, batch: Batch, *, partner: Batch, network: Network) -> torch.Tensor:
            other = network(partner.inputs, outputs=True)
            apart = (projection(outputs.features) - projection(other.features)).square().mean(1)
            return objective(outputs, batch) + 0.1 * apart  # type: ignore[no-any-return]

        return alike


class Average(Strategy):
    """Keep a moving average of the weights, and end with it."""

    decay: float = option(0.7, "Share of the average that stays.", ge=0, lt=1)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        self.keep("average", lambda: copy.deepcopy(network).requires_grad_(False))

    @hookimpl
    def imbtk_step(self, step: Any) -> Any:
        def averaged(optimizer: Any, closure: Any, *, network: Network) -> Any:
            loss = step(optimizer, closure)
            with torch.no_grad():
                for mine, its in zip(self.modules()["average"].parameters(), network.parameters(), strict=True):
                    mine.lerp_(its, 1 - self.decay)
            return loss

        return averaged

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows) -> None:
        with torch.no_grad():
            for mine, its in zip(self.modules()["average"].parameters(), network.parameters(), strict=True):
                its.copy_(mine)
        renew_batch_norm(network, training.inputs())


class SecondStage(Strategy):
    """Train a new head on a frozen backbone, at a rate of its own."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        network.freeze("backbone")
        network.renew_head()

    @hookimpl
    def imbtk_schedule(self) -> Any:
        return lambda step, steps: 1 - step / steps


class OwnLoss(Strategy):
    """Look at the plan's criterion never."""

    @hookimpl
    def imbtk_objective(self) -> Any:
        return lambda outputs, batch: F.multilabel_margin_loss(
            outputs.logits, F.pad(batch.labels[:, None], (0, outputs.logits.shape[1] - 1), value=-1), reduction="none"
        )
