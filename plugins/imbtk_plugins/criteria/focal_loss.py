"""Focal loss."""

from __future__ import annotations

import torch

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["FocalLoss"]


class FocalLoss(Strategy):
    """Let samples count less that the model already gets right, so that hard ones lead the training.

    Notes
    -----
    With p = softmax(logits) and a target t (B, K) whose rows sum to one, the loss of a sample is

        -Σ_k t_k (1 - p_k)^γ log p_k

    which is eq. 4 of Lin et al. for a one-hot target. p_k is the probability that the model gives, never
    exp(-weighted cross-entropy): class weights multiply the loss afterwards and leave the focus alone, which is eq. 5
    with any weights as α. γ = 0 is cross-entropy. The paper has one sigmoid per class; for two classes the softmax
    is that sigmoid of the difference of logits. 1 - p is -expm1(log p), and half-precision logits are taken to float32.

    A focal loss is not proper: its probabilities are too close to ½ and are put right by calibration.

    When to use
    -----------
    Where many easy rows drown the hard ones. It is no remedy for imbalance by itself: add `class-weights`.

    Cost
    ----
    None that is felt: a few operations on (B, K) numbers.

    Not with
    --------
    Another criterion (`seesaw`, `ldam`) is refused in the same epochs: there is one at a time. `auc-margin` never looks
    at it and is refused.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32 (best epoch on the test set): accuracy 71.6 / 37.2
    (BagofTricks-LT), with γ = 1 and effective weights 75.2 / 38.6, beside 70.4 / 38.3 of the plain network. On two
    Gaussians at 1:100 (``docs/ledger.md``) it left the sensitivity of the rare class at 0.10, for 0.08 without
    (``linear``), and 0.05, for 0.03 (``mlp``).

    References
    ----------
    Lin et al. 2017, "Focal loss for dense object detection", eq. 4 (focal loss) and eq. 5 (with class weights).
    """

    gamma: float = option(2.0, "Exponent γ of the focus, without unit: 0 is cross-entropy, 2 the paper's choice.", ge=0)

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> FocalCriterion:
        """Return the focal loss per sample, unreduced."""
        return FocalCriterion(self.gamma)


class FocalCriterion:
    """``(logits (B, K), target (B, K)) -> (B,)``: the focal loss of each sample, at least float32.

    Parameters
    ----------
    gamma : float
        Exponent of the focus, at least 0.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each sample."""
        wide = at_least_float32(logits)
        log_p = torch.log_softmax(wide, dim=1)
        # The slope of (1 - p)^γ is infinite at p = 1 if γ < 1, and infinity times log(1) = 0 is no number: the clamp
        # cuts the slope off where the product is 0 anyway.
        rest = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -(target * rest.pow(self.gamma) * log_p).sum(dim=1)
