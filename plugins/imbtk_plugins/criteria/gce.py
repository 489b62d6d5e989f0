"""Generalised cross-entropy."""

from __future__ import annotations

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["GCE"]


class GCE(Strategy):
    """Let samples that the model finds all but impossible count less, since their labels may be wrong.

    Notes
    -----
    With p = softmax(logits) and a target t (B, K) whose rows sum to one, the loss of a sample is

        Σ_k t_k (1 - p_k^q) / q

    which is equation 6 of Zhang and Sabuncu for a one-hot target: cross-entropy as q goes to 0, and 1 - p, half the
    absolute error, for q = 1. Its slope is that of cross-entropy times p^q, so that a sample with p near 0 is given up.
    p comes from the logits alone; class weights multiply the loss afterwards. The paper's truncated form, which drops
    samples below a probability altogether and picks them anew each epoch, is left out.

    It is not proper: where cross-entropy would give p, it gives p^(1/(1-q)) over their sum, which is far too certain.
    Decisions stay, and calibration puts the probabilities right with a temperature of 1/(1-q).

    When to use
    -----------
    For training labels of which some are known to be wrong. It is made for that and not for imbalance.

    Cost
    ----
    None that can be measured in a step. Training begins more slowly, since early on most samples are improbable.

    Not with
    --------
    Strong imbalance without class weights or a balanced order: rare samples are improbable at first, look like wrong
    labels, and are given up for good. It is a criterion, of which a plan takes one at a time.

    Evidence
    --------
    The paper's: CIFAR-10 and CIFAR-100 with balanced classes and labels made wrong at random, where it is reported
    above cross-entropy; no figure was checked for this page. None is known for long-tailed data.

    References
    ----------
    Zhang and Sabuncu 2018, "Generalized cross entropy loss for training deep neural networks with noisy labels",
    equation 6.
    """

    q: float = option(0.7, "Exponent q: near 0 it is cross-entropy, 1 gives up most readily.", gt=0, le=1)

    def notices(self, context: RunContext) -> list[str]:
        """Say that probabilities of rare classes are not to be had."""
        return [
            f"'{self.name}' gives up rows that it cannot fit, and those of rare classes first: their "
            "probabilities are not to be had (docs/ledger.md)."
        ]

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Criterion:
        """Return the loss per sample, at least float32."""

        def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            log_p = torch.log_softmax(wide, dim=1)
            return -(target * torch.expm1(self.q * log_p)).sum(dim=1) / self.q

        return loss
