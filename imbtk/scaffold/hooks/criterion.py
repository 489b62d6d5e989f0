"""A polynomial loss."""

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option


class PolyLoss(Strategy):
    """Add a multiple of 1 - p to cross-entropy, p being the probability of the true class."""

    epsilon: float = option(1.0, "Factor on 1 - p; 0 is cross-entropy.", ge=-1)

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Criterion:
        """Return the loss per sample, (logits (B, K), target (B, K)) -> (B,)."""

        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            log_p = torch.log_softmax(logits.float(), dim=1)
            return -(target * log_p).sum(dim=1) + self.epsilon * (1 - (target * log_p.exp()).sum(dim=1))

        return loss
