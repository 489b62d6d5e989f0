"""A balanced product of experts (BalPoE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from pydantic import field_validator

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Objective, Outputs

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Balpoe"]


class Balpoe(Strategy):
    """Train experts that are each corrected by another degree for the class frequencies, and predict their mean.

    Notes
    -----
    The network's last block and head are copied for each of E experts, the head alone where the network names no last
    block. With the shares π of the classes among the training rows, the loss of a sample is the mean over experts

        1/E · Σ_e ℓ(z_e + τ_e·log π)

    of what the plan makes of each: its criterion, adjustments and class weights. Expert e learns as if classes were as
    frequent as π^(1 - τ_e): τ = 0 leaves the data's frequencies, 1 makes them equal, 2 turns them. Predictions are the
    mean of the logits (a product of the experts' distributions, normalised), which is unbiased where the mean of τ is
    1, if each expert is calibrated. One τ repeated, or 1 alone in all, is an ensemble by balanced softmax. A class
    without a row counts as one row.

    The mean τ is applied to the criterion, where the ledger sees it, and each expert's distance from it here.

    The published networks copy their last two stages, with cosine heads; here it is the last block, and the plan's own
    head.

    When to use
    -----------
    Many classes with a long tail, where all classes shall count alike. Mixup beside it makes experts calibrated, which
    the paper's theory asks for: its figures are with mixup (α = 0.4 for CIFAR-100-LT).

    Cost
    ----
    The last block and the head are computed once per expert, in training and in prediction.

    Not with
    --------
    Class weights, balanced orders, balanced softmax or logit adjustment: they correct what is corrected already, and
    core refuses the plan unless the mean of `taus` is small. `ride`, `bbn` and others that branch the network.

    Evidence
    --------
    The paper reports the best figures of its time for CIFAR-100-LT, ImageNet-LT and iNaturalist 2018; they are with
    mixup, and nobody has repeated them here.

    References
    ----------
    Aimar et al. 2023, "Balanced product of calibrated experts for long-tailed recognition"; their λ is 1 - τ. The mean
    over experts and the defaults are those of the published code (emasa/BalPoE-CalibratedLT, ``model/loss.py``).
    """

    taus: tuple[float, ...] = option(
        (0.0, 1.0, 2.0), "Factor τ on log π for each expert: two or more numbers; a mean of 1 balances."
    )

    @field_validator("taus")
    @classmethod
    def _two_or_more(cls, taus: tuple[float, ...]) -> tuple[float, ...]:
        if len(taus) < 2:
            raise ValueError(
                f"taus is one number for each expert, and {len(taus)} of them makes no experts that differ: write two "
                "or more, taus=[0,1,2]"
            )
        if min(taus) < 0:
            raise ValueError(f"the factor {min(taus):g} would make frequent classes more frequent: write 0 or more")
        return taus

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Branch the network."""
        network.branch(len(self.taus))

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on logits plus the mean τ times log π: here, so that the ledger knows of it."""
        mean = (sum(self.taus) / len(self.taus) * _log_shares(context)).to(context.device)
        return lambda logits, target: criterion(logits + mean.to(logits), target)

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the mean of the experts' losses, each with what its τ has beyond the mean."""
        taus = torch.tensor(self.taus, dtype=torch.float64)
        beyond = ((taus - taus.mean())[:, None] * _log_shares(context)).float().to(context.device)

        def balpoe(outputs: Outputs, batch: Batch, *, experts: torch.Tensor) -> torch.Tensor:
            losses = [
                objective(outputs.but(logits=logits + shift), batch)
                for logits, shift in zip(experts, beyond, strict=True)
            ]
            return torch.stack(losses).mean(0)

        return balpoe


def _log_shares(context: RunContext) -> torch.Tensor:
    """Return log π, (K,) float64."""
    counts = context.class_counts.double().clamp(min=1.0)
    return (counts / counts.sum()).log()
