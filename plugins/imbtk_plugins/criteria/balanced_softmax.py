"""Balanced softmax."""

from __future__ import annotations

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl

__all__ = ["BalancedSoftmax"]


class BalancedSoftmax(Strategy):
    """Count classes by their rows inside the softmax, so that logits learn as if all were equally frequent.

    Notes
    -----
    With n_c rows of class c and logits η, the loss of a sample of class y is

        -log( n_y e^η_y / Σ_c n_c e^η_c )

    that is, cross-entropy on η + log n; any other criterion that is chosen is given η + log n in the same way. It is
    the logit adjustment with τ = 1. Counts are those of the training rows after resampling. A class without a row
    counts as one row, so that its logit is finite and is pushed down.

    Decisions look at η: classes as if equally frequent. Probabilities at the frequencies of the data come from the
    calibration. A class-balanced epoch order on top turns the frequencies round, and is refused.

    When to use
    -----------
    On long tails of many classes, from the first epoch on; it has nothing to tune.

    Cost
    ----
    None that is felt: K numbers are added to the logits.

    Not with
    --------
    `class-weights`, `oversample`, `undersample`, `logit-adjust`, `balanced-contrastive` and, in its window, `crt`
    correct the same frequencies: refused as over-correction. `auc-margin` never looks at it and is refused. `seesaw` is
    not refused, though its mitigation favours rare classes a second time: the ledger counts no criterion.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32 (BagofTricks-LT, best test epoch): accuracy 77.5 / 43.0
    beside 70.4 / 38.3 of the plain network. Figures of `logit-adjust` at τ = 1 hold for it as well.

    References
    ----------
    Ren et al. 2020, "Balanced meta-softmax for long-tailed visual recognition", eq. 3 and eq. 4.
    """

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on logits plus log counts."""
        log_counts = context.class_counts.double().clamp(min=1.0).log().to(context.device)

        def balanced(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return criterion(logits + log_counts.to(logits), target)

        return balanced
