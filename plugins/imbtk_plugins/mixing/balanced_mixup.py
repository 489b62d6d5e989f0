"""Balanced mixup."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk import Draw, RunContext, Strategy, expected_rows, hookimpl, option, order_by_class
from imbtk.authoring.records import Batch, Partner

__all__ = ["BalancedMixup"]


class BalancedMixup(Strategy):
    """Blend each sample, shown as often as it comes, with a little of one drawn from all classes equally often.

    Notes
    -----
    With (x_I, t_I) of the epoch's own order and (x_B, t_B) of a partner whose class is uniform over those that have
    rows,

        x = (1 - λ) x_I + λ x_B,    t = (1 - λ) t_I + λ t_B,    λ ~ Beta(α, 1),

    so that λ is α / (1 + α) on average: with α = 0.2 a sixth comes from the balanced partner. The paper tries α = 0.1,
    0.2 and 0.3, and which is best depends on the data. Its code draws one λ for a batch, here each sample has its own.
    Samples are mixed as the network is given them: augmented and normalised.

    When to use
    -----------
    On images of which rare classes have so few rows that oversampling would show the same ones again and again.

    Cost
    ----
    A second row is fetched and augmented for each; the network sees no more rows than without.

    Not with
    --------
    `cmo` mixes too, and there is one mix at a time. `class-weights`, `oversample` and the like are not refused beside
    it: the ledger does not count partners, so that nobody notices when these correct a second time.

    Evidence
    --------
    NIH / MIMIC long-tailed chest X-rays (Holste et al. 2022): balanced accuracy 0.155 / 0.168 beside 0.115 / 0.169 of
    the plain network. The authors' kappa on EyePACS was not repeated here.

    References
    ----------
    Galdran, Carneiro & González Ballester 2021, "Balanced-MixUp for highly imbalanced medical image classification",
    section 2 (Balanced-MixUp), and https://github.com/agaldran/balanced_mixup.
    """

    alpha: float = option(0.2, "α of Beta(α, 1), without unit: the partner's share is α / (1 + α) on average.", gt=0)

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Partner:
        """Return ``order -> partners``, each class equally often in expectation, each row drawn by itself."""
        counts = torch.bincount(context.labels, minlength=context.num_classes)

        def balanced(epoch: int, order: torch.Tensor, draw: Draw) -> torch.Tensor:
            expected = expected_rows(counts, 0.0, order.shape[0], whole=1.0)
            return order_by_class(context.labels, expected, replacement=True).draw_epoch(epoch, draw)

        return balanced

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
        """Return the mix of a batch with its partners."""
        alpha = self.alpha

        def blend(
            samples: torch.Tensor, target: torch.Tensor, draw: Draw, *, partner: Batch
        ) -> tuple[torch.Tensor, torch.Tensor]:
            share = draw.beta(alpha, 1.0)
            of_samples = share.reshape(-1, *[1] * (samples.ndim - 1))
            return torch.lerp(samples, partner.inputs, of_samples), torch.lerp(target, partner.target, share)

        return blend
