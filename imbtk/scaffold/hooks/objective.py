"""Features near the centre of their class."""

from collections.abc import Callable

import torch
from torch import nn

from imbtk import Batch, Objective, Outputs, RunContext, Strategy, hookimpl, option


class NearCentres(Strategy):
    """Draw the features of each class towards a centre that is learnt along."""

    pull: float = option(0.01, "Factor on half the mean squared distance.", ge=0)

    @hookimpl
    def imbtk_objective(
        self, objective: Objective, in_features: int, context: RunContext
    ) -> Callable[..., torch.Tensor]:
        """Return the loss per sample, (outputs, batch) -> (B,)."""
        centres = self.keep("centres", lambda: nn.Embedding(context.num_classes, in_features))

        def judged(outputs: Outputs, batch: Batch, *, features: torch.Tensor) -> torch.Tensor:
            away: torch.Tensor = (features - centres(batch.labels)).square().mean(dim=1)
            return objective(outputs, batch) + self.pull / 2 * away

        return judged
