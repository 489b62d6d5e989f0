"""Logit adjustment."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from imbtk import Criterion, DecisionRule, RunContext, Strategy, hookimpl, option

__all__ = ["LogitAdjust"]


class LogitAdjust(Strategy):
    """Add τ·log of the class frequency to the logits in the loss, or take it off when a class is decided.

    Notes
    -----
    ``mode=loss`` trains with cross-entropy, or with any criterion that is chosen, on

        f(x) + τ·log π

    where π are the shares of the classes among the training rows after resampling: τ = 1 makes the argmax of f the
    most probable class as if all were equally frequent, τ < 1 goes part of the way. ``mode=posthoc`` leaves training
    alone and decides for the class of the largest

        f(x) - τ·log π

    where π are the frequencies that the network came to believe: those that the plan's weights and epoch order leave,
    as the ledger says, and so the data's own if there are none of them. It finishes a partial correction and repeats
    none. In both modes probabilities at the frequencies of the data come from the calibration. A class without a row
    counts as one row: all numbers stay finite.

    When to use
    -----------
    On long tails, with τ as the dose. ``mode=posthoc`` where training is to stay as it is.

    Cost
    ----
    None that is felt: K numbers are added to the logits, in training or in the decision.

    Not with
    --------
    ``mode=loss``: `class-weights`, `oversample`, `undersample`, `balanced-softmax`, `balanced-contrastive` and, in its
    window, `crt` correct the same frequencies, refused where all together go too far; `auc-margin` never looks at it
    and is refused. ``mode=posthoc`` is a decision, of which a run has one: refused beside `threshold`, `cost`, `reject`
    and ``--decide deploy``.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32: accuracy 77.9 / 44.1 (loss) and 77.3 / 44.1 (post-hoc)
    beside 71.4 / 39.9 of the paper's own plain network. On two Gaussians at 1:100 (``docs/ledger.md``) the loss raised
    sensitivity from 0.08 to 0.86 (``linear``) and from 0.03 to 0.86 (``mlp``).

    References
    ----------
    Menon et al. 2021, "Long-tail learning via logit adjustment", eq. 10 (loss) and eq. 9 (post-hoc).
    """

    tau: float = option(1.0, "Factor τ on log π, without unit: 0 changes nothing, 1 is the balanced decision.", ge=0)
    mode: Literal["loss", "posthoc"] = option("loss", "Whether the loss is adjusted, or the decision after training.")

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on logits plus τ·log π; with mode=posthoc the criterion itself."""
        if self.mode == "posthoc":
            return criterion
        counts = context.class_counts.double()
        shift = (self.tau * (counts.clamp(min=1.0) / counts.sum()).log()).to(context.device)

        def adjusted(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return criterion(logits + shift.to(logits), target)

        return adjusted

    @hookimpl
    def imbtk_decide(self, context: RunContext) -> DecisionRule | None:
        """Return the rule that takes τ·log π off the trained logits; with mode=loss none."""
        if self.mode == "loss":
            return None
        counts = context.class_counts.double()
        believed = counts / counts.sum() if context.effective_prior is None else context.effective_prior.double()
        floor = 1.0 / max(1, int(context.natural_counts.sum()))
        shift = -self.tau * np.log(believed.clamp(min=floor).numpy())
        return DecisionRule("logits", shift, name=f"logits minus {self.tau:g}·log of the class frequencies")
