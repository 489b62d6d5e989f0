"""Draw rows by the frequency of their class."""

import torch

from imbtk import Draw, EpochOrder, RunContext, Strategy, hookimpl, option


class DrawRare(Strategy):
    """Draw each row of an epoch with a chance that falls with the frequency of its class."""

    evenness: float = option(1.0, "0 draws all rows alike, 1 all classes alike.", ge=0, le=1)

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return an order of as many rows as there are, drawn anew in each epoch."""
        chance = context.class_counts.double().pow(-self.evenness)[context.labels]

        def draw_epoch(epoch: int, draw: Draw) -> torch.Tensor:
            return torch.multinomial(chance, len(chance), replacement=True, generator=draw.generator())

        return EpochOrder(draw_epoch)
