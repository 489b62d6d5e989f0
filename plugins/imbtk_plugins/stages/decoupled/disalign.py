"""Distribution alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction
from imbtk_plugins.stages.decoupled.shared import half_cosine, refuse_beginning

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Disalign"]


class Disalign(Strategy):
    """Keep all that the network has learnt, and learn to shift and scale its logits, as far as a row asks for it.

    It is used in the last epochs, as ``disalign@80%-``.

    Notes
    -----
    With the logits z of the trained network, frozen, and its features h, the window learns α, β (K numbers each), v and
    b in

        ẑ_c = σ(h) (α_c z_c + β_c) + (1 - σ(h)) z_c,    σ(h) = sigmoid(v·h + b),

    with classes weighted ∝ π_c^(-ρ), π_c their shares. α begins at 1, β at 0, v and b at 0. ρ = 1 asks for balanced
    classes and is the default here; the authors tune ρ to the data. A saved network is no longer made of imbtk's own
    parts: predicting with it wants ``--trust-model``.

    When to use
    -----------
    As ``lws``, where a factor for each class is too little.

    Cost
    ----
    None beside a plain run: the epochs of the window are cheaper.

    Not with
    --------
    ``class-weights`` in the same window: refused. Orders that favour rare classes correct the frequencies twice.

    Evidence
    --------
    Zhang et al. 2021 report gains over ``crt`` and ``lws`` on ImageNet-LT; none is known on small images.

    References
    ----------
    Zhang et al. 2021, "Distribution alignment: a unified framework for long-tail visual recognition", section 3.2
    (adaptive calibration, eq. 5 to 7) and 3.3 (generalised re-weighting).
    """

    power: float = option(1.0, "Exponent ρ: classes weigh ∝ π^(-ρ); 0 weighs them alike.", ge=0)
    rate: float = option(10.0, "Factor r on the peak learning rate, from which a cosine falls over the window.", gt=0)

    def check_run(self, context: RunContext) -> None:
        """Refuse a window that begins with the run."""
        refuse_beginning(self.name, "aligns the logits of a head", context)

    @hookimpl
    def imbtk_network(self, network: Network, context: RunContext) -> None:
        """Freeze backbone and head, and put what aligns logits around the head."""
        network.freeze("backbone")
        aligned = AlignedHead(network.head, network.branch_width * network.branches, context.num_classes)
        for parameter in network.head.parameters():
            parameter.requires_grad_(False)
        network.head = aligned.to(context.device)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return π^(-ρ) of each class, (K,) float64."""
        counts = context.class_counts.double()
        return torch.where(counts > 0, (counts / counts.sum()).clamp(min=1e-12) ** -self.power, 0.0)

    @hookimpl
    def imbtk_schedule(self) -> ScheduleFunction:
        """Return a half cosine from `rate` to zero."""
        return half_cosine(self.rate)


class AlignedHead(nn.Module):
    """A head whose logits are shifted and scaled as far as the features ask for it: (B, D) -> (B, K)."""

    def __init__(self, head: nn.Module, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.head = head
        self.scale = nn.Parameter(torch.ones(num_classes))
        self.shift = nn.Parameter(torch.zeros(num_classes))
        self.confidence = nn.Linear(in_features, 1)
        nn.init.zeros_(self.confidence.weight)
        nn.init.zeros_(self.confidence.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for features (B, D)."""
        logits = self.head(features)
        sure = torch.sigmoid(self.confidence(features))
        aligned: torch.Tensor = sure * (self.scale * logits + self.shift) + (1 - sure) * logits
        return aligned
