"""Influence-balanced loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["InfluenceBalanced"]

_LEAST = 0.001
"""What is added to the influence that the loss is divided by, as in the published code."""


class InfluenceBalanced(Strategy):
    """Divide the loss of a sample by its influence on the decision boundary, and weight classes by inverse frequency.

    Notes
    -----
    With p = softmax(z), the target y and the features h that the head is given, the loss of a sample of class c is

        1/n_c · CE(z, y) · α / (‖p - y‖₁ · ‖h‖₁ + 0.001)

    with ‖h‖₁ = Σ |h_d|. The gradient flows through the divisor, as in the published code. ‖p - y‖₁ · ‖h‖₁ is the size
    of the gradient of cross-entropy on the head's weights: samples that pull hard, near the boundary or mistaken, count
    less. The weights 1/n_c belong to it. They are this strategy's class weights, so that the ledger knows of them, and
    are scaled to mean 1 over the rows as any: the published ones have mean 1 over the classes, so that its loss is
    smaller by a factor (6.2 for CIFAR-10-LT with imbalance 100), which Adam does not notice and gradient descent does.
    Soft targets stand for y as they are.

    The paper trains with plain cross-entropy first and tunes with this loss: give it a window,
    ``influence-balanced@50%-``.

    When to use
    -----------
    In the second half of training, once classes are told apart, against a boundary that is fitted to the samples of
    frequent classes.

    Cost
    ----
    None that is felt: sums over (B, K) and (B, D) numbers.

    Not with
    --------
    `class-weights` in the same epochs: weights are a choice of one. A class-balanced order on top turns frequencies
    round, and is refused. `focal-loss` and other criteria take its place; in epochs before its window they may be on.
    Beside experts with features of their own (`ride`, `sade`, `balpoe`) h holds those of all of them, so that the loss
    is smaller for each.

    Evidence
    --------
    CIFAR-10-LT and CIFAR-100-LT, imbalance 100, ResNet-32: accuracy 76.7 and 40.8, where plain networks of such
    galleries have 70.4 and 38.3. Published figures, not measured here.

    References
    ----------
    Park et al. 2021, "Influence-balanced loss for imbalanced visual classification", section 3 (influence and the
    loss); α, the constant and the start at half of the epochs are those of the published code (pseulki/IB-Loss,
    ``losses.py``, ``cifar_train.py``).
    """

    alpha: float = option(1000.0, "Factor α on the loss, without unit.", gt=0)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return 1/n_c, (K,) float64, 0 for a class without a row."""
        counts = context.class_counts.double()
        return torch.where(counts > 0, 1 / counts.clamp(min=1.0), 0.0)

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return cross-entropy over influence, without the class weights: ``(logits, target, features) -> (B,)``."""

        def balanced(logits: torch.Tensor, target: torch.Tensor, *, features: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            target = target.to(wide)
            influence = (wide.softmax(1) - target).abs().sum(1) * features.to(wide).abs().sum(1)
            return F.cross_entropy(wide, target, reduction="none") * self.alpha / (influence + _LEAST)

        return balanced
