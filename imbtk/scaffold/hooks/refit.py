"""Class vectors of one length."""

import copy

import torch

from imbtk import RunContext, Strategy, hookimpl, option


class EqualNorms(Strategy):
    """Divide each class's weight vector by a power of its length, after training."""

    tau: float = option(1.0, "Power of the length: 0 changes nothing, 1 makes all lengths equal.", ge=0, le=1)

    @hookimpl
    def imbtk_refit(
        self, head: torch.nn.Module, features: torch.Tensor, labels: torch.Tensor, context: RunContext
    ) -> torch.nn.Module:
        """Return a copy of the head with rescaled weights."""
        refitted = copy.deepcopy(head)
        if isinstance(refitted, torch.nn.Linear):
            with torch.no_grad():
                refitted.weight /= refitted.weight.norm(dim=1, keepdim=True).clamp(min=1e-12) ** self.tau
        return refitted
