"""Distribution alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction
from imbtk_plugins.stages.decoupled.second_stage import check_window, half_cosine

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Disalign"]


class Disalign(Strategy):
    """Keep the network as it is, and learn to scale and shift its logits, for each row as much as its features ask for.

    It is used in the last epochs, as ``disalign@80%-``: what comes before trains the network as if it were not there.

    Notes
    -----
    When its window begins backbone and head are frozen, the statistics of batch norm with them. With the logits z of
    the head, and the features h that it is given, those of class c become

        z'_c = σ(h)·(α_c z_c + β_c) + (1 - σ(h))·z_c,    σ(h) = 1 / (1 + exp(-(v·h + b)))

    and α, β, v, b are trained with the weight π_c^(-ρ) of class c in the loss, π its frequency among the training rows.
    α = 1 and β = 0 at first, so that the window begins with the network as it was, whatever σ. ρ = 1 makes classes
    alike, as inverse frequencies do; the published script for ImageNet-LT has 1.2. The learning rate starts again and
    falls in a half cosine from `rate` times its peak; with SGD, as in the paper, write rate=1. Of several experts all
    are scaled and shifted alike, which is the same for their mean.

    The published layer for classification writes z + σ·(α' z + β) with α' = 1 at first: the same functions, α = 1 + α',
    but begun at twice the logits.

    When to use
    -----------
    After ordinary training with many classes, where how much is to be corrected differs from row to row. Where classes
    are few a fixed shift (``logit-adjust:mode=posthoc``) is as good and needs no window.

    Cost
    ----
    An epoch of the window is faster than a plain one, since no gradient goes through the network. Memory: 2K + D + 1
    numbers. The network is saved as an exported program, since the head is none of imbtk's own.

    Not with
    --------
    ``class-weights``, which claims the same choice, and ``balanced-softmax``, ``logit-adjust`` or balanced orders in
    the same window: each corrects the prior once more. ``tau-norm`` after it, which does not know this head.

    Evidence
    --------
    ImageNet-LT, ResNeXt-50, 90 epochs and 10 with it: 52.4 % of all and 33.7 % of the few-shot classes, beside 46.9 %
    and 9.6 % before them (tables of the published code, last epoch, one run each).

    References
    ----------
    Zhang et al. 2021, "Distribution alignment: a unified framework for long-tail visual recognition", section 3.3
    (adaptive calibration and generalised re-weighting).
    """

    rho: float = option(1.0, "Exponent ρ of the class weights π^(-ρ): 0 weights none, 1 makes classes alike.", ge=0)
    rate: float = option(10.0, "Factor on the peak learning rate, from which a cosine falls over the window.", gt=0)
    restart: bool = option(True, "Whether the learning rate restarts like this, or goes on as the run's.")

    def check_run(self, context: RunContext) -> None:
        """Refuse a window that begins with the run."""
        check_window(self.name, "aligns the logits of a head that was trained", context)

    @hookimpl
    def imbtk_network(self, network: Network, context: RunContext) -> None:
        """Freeze the network, and put what scales and shifts its logits behind its head."""
        network.freeze("backbone")
        network.freeze("head")  # as it is now: what is learnt comes after
        width = network.branch_width * network.branches
        network.head = AlignedHead(network.head, width, context.num_classes)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return π^(-ρ) for each class that has rows, (K,) float64."""
        counts = context.class_counts.double()
        # In multiples of the largest class's, so that no ρ overflows before core scales them.
        return torch.where(counts > 0, (counts.clamp(min=1.0) / counts.max()).pow(-self.rho), 0.0)

    @hookimpl
    def imbtk_schedule(self) -> ScheduleFunction | None:
        """Return a half cosine from `rate` to zero; None where the run's own schedule shall go on."""
        return half_cosine(self.rate) if self.restart else None


class AlignedHead(nn.Module):
    """A head whose logits are scaled and shifted: (B, D) -> (B, K), or (E, B, K) of experts."""

    def __init__(self, head: nn.Module, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.head = head
        self.scale, self.shift = nn.Parameter(torch.ones(num_classes)), nn.Parameter(torch.zeros(num_classes))
        self.confidence = nn.Linear(in_features, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return aligned logits for features (B, D)."""
        logits: torch.Tensor = self.head(features)
        share: torch.Tensor = self.confidence(features).sigmoid()
        return share * (self.scale * logits + self.shift) + (1 - share) * logits
