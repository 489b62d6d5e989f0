"""Mixup."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk import Draw, Strategy, hookimpl, option, shuffled
from imbtk.authoring.records import Batch, Partner
from imbtk_plugins.mixing.blends.blending import blended

__all__ = ["Mixup"]


class Mixup(Strategy):
    """Blend each sample with another one, and its target alike, so that the network is less sure between classes.

    Notes
    -----
    With another sample (x_b, t_b) of the epoch,

        x = λ x_a + (1 - λ) x_b,    t = λ t_a + (1 - λ) t_b,    λ ~ Beta(α, α).

    α = 1 is uniform; 0.2 leaves most samples nearly as they are, which suits few rows. The authors' code draws one λ
    for a batch and blends within it; here each sample has its own, and a partner from the whole epoch. Samples are
    blended as the network is given them: augmented and normalised. On a table columns are blended, also those that
    stand for categories.

    When to use
    -----------
    Long trainings that learn their rows by heart, and before a second stage that trains the head anew (``crt``,
    ``lws``): features get better, the decision does not. For imbalance itself see ``remix`` and ``balanced-mixup``.

    Cost
    ----
    None to speak of in time; the second samples are augmented too. Networks learn more slowly, so give more epochs.

    Not with
    --------
    Another mix in the same epochs: refused. Losses that take hard targets alone refuse it.

    Evidence
    --------
    ResNet-32 on CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, best epoch on the test set: 74.1 / 40.8 beside
    70.4 / 38.3 (BagofTricks-LT). On NIH / MIMIC chest X-rays balanced accuracy 0.118 / 0.176 beside 0.115 / 0.169:
    nothing.

    References
    ----------
    Zhang et al. 2018, "mixup: beyond empirical risk minimization", eq. 1 and section 2.
    """

    alpha: float = option(1.0, "α of Beta(α, α): 1 is uniform, towards 0 samples stay as they are.", gt=0)

    @hookimpl
    def imbtk_partner(self) -> Partner:
        """Return ``order -> partners``: the same rows, in another order."""
        return shuffled

    @hookimpl
    def imbtk_mix(self) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
        """Return the blend of a batch with its partners."""

        def blend(
            samples: torch.Tensor, target: torch.Tensor, draw: Draw, *, partner: Batch
        ) -> tuple[torch.Tensor, torch.Tensor]:
            share = 1 - draw.beta(self.alpha, self.alpha)
            return blended(samples, partner.inputs, share), torch.lerp(target, partner.target, share)

        return blend
