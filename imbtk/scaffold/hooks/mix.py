"""Samples mixed with others of their batch."""

import torch

from imbtk import Draw, Mix, RunContext, Strategy, hookimpl, option


class MixPairs(Strategy):
    """Mix each sample of a batch, and its target, with another."""

    least_share: float = option(0.5, "Least share of the sample itself in the mixture.", ge=0, le=1)

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Mix:
        """Return a callable that mixes a batch with itself, turned round."""

        def mix(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
            share = draw.uniform(low=self.least_share)
            wide = share.reshape(-1, *[1] * (images.dim() - 1))
            return wide * images + (1 - wide) * images.flip(0), share * target + (1 - share) * target.flip(0)

        return mix
