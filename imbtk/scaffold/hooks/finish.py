"""Class vectors of one length."""

import torch
from torch import nn

from imbtk import Network, RunContext, Strategy, TrainingRows, hookimpl, option


class EqualNorms(Strategy):
    """Divide each class's weight vector by a power of its length, after training."""

    tau: float = option(1.0, "Power of the length: 0 changes nothing, 1 makes all lengths equal.", ge=0, le=1)

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows, context: RunContext) -> None:
        """Change the network as its window ends."""
        if isinstance(network.head, nn.Linear):
            with torch.no_grad():
                weight = network.head.weight
                weight /= weight.norm(dim=1, keepdim=True).clamp(min=1e-12) ** self.tau
