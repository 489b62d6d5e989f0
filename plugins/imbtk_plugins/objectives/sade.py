"""Three experts for three class frequencies (SADE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Objective, Outputs

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Sade"]


class Sade(Strategy):
    """Train one expert for frequent, one for equally frequent and one for rare classes, and predict their mean.

    Notes
    -----
    The network's last block and head are copied for each of three experts, the head alone where the network names no
    last block. With the shares π of the classes among the training rows, and π̄ the same shares in reverse order (the
    rarest class has that of the most frequent), the loss of a sample is the sum

        ℓ(z_1) + ℓ(z_2 + log π) + ℓ(z_3 + log π - λ·log π̄)

    of what the plan makes of each expert: its criterion, adjustments and class weights. The first expert learns the
    data's frequencies, the second equal ones (balanced softmax), the third turned ones (inverse softmax). Classes of
    equal counts share the mean of log π̄ over their places, since none of them is the rarer; a class without a row
    counts as one row.

    Predictions are the mean of the logits. The mean of the three shifts is applied to the criterion, where the ledger
    sees it, and each expert's distance from it here. Where shares fall evenly on a log scale, λ = 2 makes the mean
    believe in frequencies that are turned by a third (correction index 4/3): which is warned of.

    Left out is the test-time part of the paper: weights of the experts that are learnt from unlabelled test rows. Here
    all have the same weight, which the paper evaluates too where classes of the test rows are equally frequent. The
    published networks copy their last two stages; here it is the last block.

    When to use
    -----------
    Many classes with a long tail, where the frequencies at deployment are not known and rare classes matter at least
    as much as frequent ones.

    Cost
    ----
    The last block and the head are computed three times, in training and in prediction.

    Not with
    --------
    Class weights, balanced orders, balanced softmax or logit adjustment: they correct what is corrected already, and
    core refuses the plan. `ride`, `bbn` and others that branch the network.

    Evidence
    --------
    CIFAR-100-LT, imbalance 100, ResNet-32: 49.8 (their plain run 41.4, RIDE 48.0); ImageNet-LT, ResNeXt-50: 58.8 (48.0,
    56.3). These are the paper's own figures; nobody has repeated them here.

    References
    ----------
    Zhang et al. 2022, "Self-supervised aggregation of diverse experts for test-agnostic long-tailed recognition",
    section 4.1 (the three losses); λ and the reversal by rank are those of the published code (Vanint/SADE-AgnosticLT,
    ``model/loss.py``).
    """

    inversion: float = option(2.0, "Factor λ on the log of the reversed shares, of the third expert.", ge=0)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Branch the network."""
        network.branch(3)

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on logits plus the mean shift: here, so that the ledger knows of it."""
        mean = self._shifts(context.class_counts).mean(0).to(context.device)
        return lambda logits, target: criterion(logits + mean.to(logits), target)

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the sum of the experts' losses, each with what its shift has beyond the mean."""
        shifts = self._shifts(context.class_counts)
        beyond = (shifts - shifts.mean(0)).float().to(context.device)

        def sade(outputs: Outputs, batch: Batch, *, experts: torch.Tensor) -> torch.Tensor:
            losses = [
                objective(outputs.but(logits=logits + shift), batch)
                for logits, shift in zip(experts, beyond, strict=True)
            ]
            return torch.stack(losses).sum(0)

        return sade

    def _shifts(self, class_counts: torch.Tensor) -> torch.Tensor:
        """Return what is added to the logits of each expert in its loss, (3, K) float64."""
        counts = class_counts.double().clamp(min=1.0)
        log_shares = (counts / counts.sum()).log()
        ranked = log_shares.sort().values.flip(0)
        places = torch.argsort(torch.argsort(counts))
        equal = (counts[:, None] == counts).double()
        reversed_ = equal @ ranked[places] / equal.sum(1)
        return torch.stack([torch.zeros_like(log_shares), log_shares, log_shares - self.inversion * reversed_])
