"""Remix."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk import Draw, RunContext, Strategy, hookimpl, option, shuffled
from imbtk.authoring.records import Batch, Partner
from imbtk_plugins.mixing.blends.blending import blended

__all__ = ["Remix"]


class Remix(Strategy):
    """Blend samples as mixup does, but give the blend to the rarer class where one is much rarer.

    Notes
    -----
    With samples a and b of classes that have n_a and n_b rows, and λ ~ Beta(α, α),

        x = λ x_a + (1 - λ) x_b,    t = λ_t t_a + (1 - λ_t) t_b,

        λ_t = 0  if n_a / n_b ≥ κ and λ < τ
        λ_t = 1  if n_a / n_b ≤ 1 / κ and 1 - λ < τ
        λ_t = λ  otherwise.

    So a blend is of the rarer class alone where that has at least a share of 1 - τ in it. Equal counts make it mixup
    for κ > 1. Counts are those of the training rows after resampling. Otherwise it is as ``mixup``: a λ of its own for
    each sample, a partner from the whole epoch.

    The targets of rare classes grow by it, more than any frequency says: the ledger does not know how far, and
    probabilities are fitted on validation rows.

    When to use
    -----------
    As mixup, where classes differ by more than κ.

    Cost
    ----
    As mixup.

    Not with
    --------
    Another mix in the same epochs: refused. Class weights and oversampling beside it push in the same direction.

    Evidence
    --------
    ResNet-32 on CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, best epoch on the test set: 73.4 / 41.4 beside
    70.4 / 38.3 of the plain network and 74.1 / 40.8 of mixup (BagofTricks-LT).

    References
    ----------
    Chou et al. 2020, "Remix: rebalanced mixup", eq. 3 to 5.
    """

    alpha: float = option(1.0, "α of Beta(α, α): 1 is uniform, towards 0 samples stay as they are.", gt=0)
    kappa: float = option(3.0, "κ: how many times rarer a class is that gets the blend alone.", ge=1)
    tau: float = option(0.5, "τ: it gets it while the other has less than this share; 0 is mixup.", ge=0, le=1)

    @hookimpl
    def imbtk_partner(self) -> Partner:
        """Return ``order -> partners``: the same rows, in another order."""
        return shuffled

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
        """Return the blend of a batch with its partners."""
        counts = context.class_counts.float().clamp(min=1).to(context.device)

        def blend(
            samples: torch.Tensor, target: torch.Tensor, draw: Draw, *, partner: Batch
        ) -> tuple[torch.Tensor, torch.Tensor]:
            kept = draw.beta(self.alpha, self.alpha)
            ratio = ((target @ counts) / (partner.target @ counts))[:, None]
            other_alone = (ratio >= self.kappa) & (kept < self.tau)
            own_alone = (ratio * self.kappa <= 1) & (1 - kept < self.tau)
            of_target = torch.where(other_alone, 0.0, torch.where(own_alone, 1.0, kept))
            return blended(samples, partner.inputs, 1 - kept), torch.lerp(partner.target, target, of_target)

        return blend
