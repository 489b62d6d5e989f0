"""Logits shifted by how frequent a class is."""

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option


class ShiftLogits(Strategy):
    """Add the log frequency of each class to its logit in the loss, whatever the loss is."""

    strength: float = option(1.0, "Factor on the log frequency.", ge=0)

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion given, on shifted logits."""
        counts = context.class_counts.clamp(min=1).float()
        shift = (self.strength * (counts / counts.sum()).log()).to(context.device)

        def shifted(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return criterion(logits + shift, target)

        return shifted
