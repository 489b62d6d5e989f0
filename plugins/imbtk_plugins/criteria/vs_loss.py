"""Vector-scaling loss."""

from __future__ import annotations

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["VSLoss"]


class VSLoss(Strategy):
    """Scale the logit of each class down by its rarity and add the log of its frequency, in the loss alone.

    Notes
    -----
    With n_c rows of class c, shares π_c among the training rows after resampling and logits f, the loss is
    cross-entropy, or any criterion that is chosen, on

        Δ_c·f_c + ι_c,  Δ_c = (n_c/n_max)^γ,  ι_c = τ·log π_c

    γ = 0 is the logit adjustment, τ = 0 the class-dependent temperatures. Decisions look at f. With two classes all
    logits of a sample of class y are multiplied by Δ_y instead, as in the authors' loss for two classes; that of single
    logits would leave decisions alone. A mixed target has the mean of its two scales. A class without a row counts as
    one row: all numbers stay finite.

    The paper shows that late in training, when all rows are right, only scales still move the margins of a linear
    classifier, but that early on they harm the rare class, which the shift makes up for. With three classes or more and
    τ = 1 a model without features comes to believe in equal frequencies, with two the rare one stays below half, as the
    ledger shows. One with features is scaled as well as shifted, so that the calibration trusts validation rows more
    than the ledger.

    When to use
    -----------
    In place of `logit-adjust` for networks that come to fit every training row.

    Cost
    ----
    None that can be measured, in time or memory; γ and τ want tuning.

    Not with
    --------
    `logit-adjust`, `balanced-softmax`, balanced class weights or a balanced epoch order, which move the frequencies as
    well: with τ = 1 that turns them round, and is refused. `cdt` scales as well.

    Evidence
    --------
    The authors report it above earlier losses on long-tailed images, γ and τ tuned; no figure was checked for this
    page. Their code has γ = 0.3 and τ = 1, their example for CIFAR-10 0.2 and 1.2.

    References
    ----------
    Kini et al. 2021, "Label-imbalanced and group-sensitive classification under overparameterization", the VS-loss.
    """

    gamma: float = option(0.3, "Exponent γ on the rows in the scale, without unit: 0 scales nothing.", ge=0)
    tau: float = option(1.0, "Factor τ on log π in the shift, without unit: 0 shifts nothing.", ge=0)

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on scaled and shifted logits, at least float32."""
        counts = context.class_counts.double().clamp(min=1.0).to(context.device)
        scale = (counts / counts.max()) ** self.gamma
        shift = self.tau * (counts / context.class_counts.sum()).log()

        def adjusted(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            # Two scaled logits stay in proportion, and decisions with them: there the scale is that of the own class.
            factor = scale.to(wide) if len(scale) > 2 else target.to(wide) @ scale.to(wide)[:, None]
            return criterion(wide * factor + shift.to(wide), target)

        return adjusted
