"""Several diverse experts on one trunk (RIDE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Objective, Outputs

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Ride"]


class Ride(Strategy):
    """Train several experts on one trunk that are kept from agreeing, and predict their mean.

    Notes
    -----
    The network's last block and head are copied for each of E experts, the head alone where the network names no last
    block. With the logits z_e of an expert, their mean z̄ and a loss ℓ, the loss of a sample is

        Σ_e [ ℓ(z_e) - λ·T̄²·KL( softmax(z̄ / T) ‖ softmax(z_e / T) ) ]

    without a gradient through z̄. ℓ is what the plan makes of it: its criterion, adjustments and class weights, for each
    expert by itself. It is a sum and no mean, as published: each expert learns as fast as it would alone. T is
    `temperature` for each class, T̄ its mean; from `tempering_from` of the window on the temperature of class c is

        T_c ∝ γ·K·π_c + 1 - γ,    max_c T_c = temperature

    with the class's share π_c of the rows and γ = `tempering`, so that rare classes are kept apart more. Equal counts
    leave it as it is. The paper's best figures are with LDAM, its weights deferred: ``ride ldam
    class-weights:scheme=effective@80%-`` where `ldam` is installed.

    Left out are the second stage, which routes a sample to as few experts as it needs, and distillation. The published
    networks copy their last two stages, made narrower, and start each at random; here it is the last block, whose
    copies start alike and part by their heads. The published λ is 0.45 for CIFAR-100-LT and 0.2 for the larger sets.

    When to use
    -----------
    On long tails of many classes, where there is no time for an `ensemble`.

    Cost
    ----
    The last block and the head E times, in training and in predictions; the trunk once.

    Not with
    --------
    `bbn` branches the network as well, and it has one last block: refused. `auc-margin` written after it ignores it:
    write it before.

    Evidence
    --------
    CIFAR-100-LT at an imbalance of 100, ResNet-32: accuracy 48.6 beside 38.3 of the plain network of another gallery
    (BagofTricks-LT, best test epoch), with the second stage that is left out here. None was measured here.

    References
    ----------
    Wang et al. 2021, "Long-tailed recognition by routing diverse distribution-aware experts", section 3 (the loss of an
    expert and its distribution-aware diversity); temperatures, their beginning and the detached mean are those of the
    published code (frank-xwang/RIDE-LongTailRecognition, ``model/loss.py``).
    """

    experts: int = option(3, "Number of experts E.", ge=2)
    diversity: float = option(0.2, "Factor λ on what keeps experts apart, without unit: 0 leaves them alone.", ge=0)
    temperature: float = option(1.0, "Temperature T at which experts are compared, on logits.", gt=0)
    tempering: float = option(0.05, "Share γ of the class frequency in a class's temperature.", ge=0, lt=1)
    tempering_from: float = option(0.8, "From which share of the window on temperatures differ by class.", ge=0, le=1)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Branch the network."""
        network.branch(self.experts)

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the sum over experts of what the plan minimises, less their distance from the mean."""
        shares = context.class_counts.double() / context.class_counts.sum()
        by_class = self.tempering * context.num_classes * shares + 1 - self.tempering
        late = (self.temperature * by_class / by_class.max()).float().to(context.device)
        early = torch.full_like(late, self.temperature)
        window = context.window
        begin = window.start + self.tempering_from * (window.stop - window.start)

        def ride(outputs: Outputs, batch: Batch, *, experts: torch.Tensor) -> torch.Tensor:
            t = late if batch.epoch >= begin else early
            log_mean = torch.log_softmax(outputs.logits.detach() / t, dim=1)
            total = torch.zeros_like(outputs.logits[:, 0])
            for logits in experts:
                log_own = torch.log_softmax(logits / t, dim=1)
                distance = (log_mean.exp() * (log_mean - log_own)).sum(dim=1)
                total = total + objective(outputs.but(logits=logits), batch)
                total = total - self.diversity * t.mean().square() * distance
            return total

        return ride
