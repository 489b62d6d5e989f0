"""Asymmetric loss for samples of one class each."""

from __future__ import annotations

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["Asymmetric"]


class Asymmetric(Strategy):
    """Smooth the target, and let a wrong class take part in it only as far as the model believes in that class.

    Notes
    -----
    With p = softmax(logits), K classes and smoothing ε, the loss of a sample of class y is

        -(1 - ε + ε/K)·(1 - p_y)^γ⁺·log p_y - ε/K·Σ_(k ≠ y) p_k^γ⁻·log p_k

    A mixed target has the mean of the losses of its classes. p comes from the logits alone; class weights multiply the
    loss afterwards. γ⁺ = γ⁻ = 0 is label smoothing, and ε = 0 the focal loss with γ⁺: wrong classes come in through the
    smoothing only, and with p^4 in front all but those that lead fall out of it.

    The paper's loss is for samples with several labels, one sigmoid per class with γ⁻ = 4, γ⁺ = 0 or 1 and a shift of
    the probability. This is the form for one label from its reference code, which the paper does not derive or measure.
    It is not proper: calibration puts its probabilities right.

    When to use
    -----------
    Where label smoothing is wanted that does not push improbable classes up. Where a sample can have several labels,
    the paper's loss is another one.

    Cost
    ----
    None that can be measured, in time or memory.

    Not with
    --------
    `label-smoothing` and `label-aware-smoothing`: it smooths as well, and it would be done twice.

    Evidence
    --------
    None known for this form on imbalanced data, and little is to be hoped for: with its defaults it is a multiple of
    cross-entropy and a small term. On the built-in digits at 1:20 its log-loss was cross-entropy's to three digits. The
    multi-label loss, class-weighted, was in the winning entry of CXR-LT 2023 on long-tailed chest X-rays, which says
    little about this one.

    References
    ----------
    Ridnik et al. 2021, "Asymmetric loss for multi-label classification", section 2; the form for one label is
    ``ASLSingleLabel`` of the reference code.
    """

    gamma_neg: float = option(4.0, "Exponent γ⁻ on the probability of a wrong class, without unit.", ge=0)
    gamma_pos: float = option(0.0, "Exponent γ⁺ on what the right class lacks: 0 gives no focus.", ge=0)
    epsilon: float = option(0.1, "Share ε of a target that goes to all classes alike.", ge=0, lt=1)

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Criterion:
        """Return the loss per sample, at least float32."""

        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            log_p = torch.log_softmax(wide, dim=1)
            spread = self.epsilon / wide.shape[1]
            # As in the focal loss: the slope of (1 - p)^γ is infinite at p = 1 if γ < 1, where log p is 0.
            rest = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
            right = (1 - self.epsilon + spread) * target * rest.pow(self.gamma_pos)
            wrong = spread * (1 - target) * (self.gamma_neg * log_p).exp()
            return -((right + wrong) * log_p).sum(dim=1)

        return loss
