"""Samples mixed with others that are drawn by their class."""

from collections.abc import Callable

import torch

from imbtk import Batch, Draw, Partner, RunContext, Strategy, hookimpl, option


class MixRare(Strategy):
    """Mix each sample, and its target, with one drawn from all classes alike."""

    own_share: float = option(0.8, "Share of the sample itself in the mixture.", ge=0, le=1)

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Partner:
        """Return a callable that draws a row beside each row of an epoch."""
        chance = context.class_counts.double().reciprocal()[context.labels]
        return lambda epoch, order, draw: torch.multinomial(chance, len(order), True, generator=draw.generator())

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
        """Return a callable that mixes a batch with the rows beside it."""

        def mix(
            samples: torch.Tensor, target: torch.Tensor, draw: Draw, *, partner: Batch
        ) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.lerp(partner.inputs, samples, self.own_share), torch.lerp(
                partner.target, target, self.own_share
            )

        return mix
