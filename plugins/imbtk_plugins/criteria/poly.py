"""Poly-1 loss."""

from __future__ import annotations

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["Poly"]


class Poly(Strategy):
    """Add to cross-entropy a multiple of what the right class lacks in probability, which pulls on until it is right.

    Notes
    -----
    Cross-entropy is the sum of (1 - p)^j / j over j ≥ 1, p the probability of the right class. Poly-1 changes the first
    of these terms: with a target t (B, K) whose rows sum to one, the loss of a sample is

        -Σ_k t_k log p_k + ε·(1 - Σ_k t_k p_k)

    which is CE + ε·(1 - p_y) for a one-hot target. p comes from the logits alone; class weights multiply the whole loss
    afterwards and never enter p. ε = 0 is cross-entropy, ε below 0 makes for less certain networks, and below -1 the
    loss would no longer fall everywhere. It is not proper: calibration puts its probabilities right.

    When to use
    -----------
    As a cheap try beside cross-entropy. The best ε hangs on the data and must be found, 0 among the candidates.

    Cost
    ----
    None that can be measured, in time or memory.

    Not with
    --------
    Nothing known; it is a criterion, of which a plan takes one at a time.

    Evidence
    --------
    The paper, ε tuned: EfficientNetV2-L on ImageNet-21K 45.8 to 46.4 and on ImageNet 86.8 to 87.2, accuracy; Mask R-CNN
    on COCO 47.2 to 49.7, recall of boxes. None is known for long-tailed CIFAR: it is not made for imbalance.

    References
    ----------
    Leng et al. 2022, "PolyLoss: a polynomial expansion perspective of classification loss functions", the
    Poly-1 form.
    """

    epsilon: float = option(1.0, "Factor ε on 1 - p, without unit: 0 is cross-entropy.", ge=-1)

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Criterion:
        """Return the loss per sample, at least float32."""

        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            log_p = torch.log_softmax(wide, dim=1)
            return -(target * (log_p + self.epsilon * torch.expm1(log_p))).sum(dim=1)

        return loss
