"""Gaussian clouded logits (GCL)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch

from imbtk import Criterion, Draw, RunContext, hookimpl, option
from imbtk.authoring.losses import at_least_float32
from imbtk_plugins.criteria.cosines.on_cosines import OnCosines

__all__ = ["GCL"]


class GCL(OnCosines):
    """Lower the logits of a class by noise, the more the rarer it is, on a head of cosines.

    Notes
    -----
    With the cosines cos θ between features and the direction of each class, n_c rows of class c and s = `scale`,
    the criterion, cross-entropy unless another is chosen, is given

        s · ( cos θ_c - a · |ε_c| · (log n_max - log n_c) / (log n_max - log n_min) ),   ε_c ~ N(0, 1/3) cut at ±1

    with a = `amplitude` and fresh noise for each sample and class. A sample of a rare class has to be right by more,
    and not always by the same: its place is blurred to a cloud. Soft targets are judged against the same noisy logits.
    Counts are those of the training rows after resampling; a class without a row counts as the rarest. With equal
    counts, or amplitude=0, nothing is changed but the head.

    Since |ε| is not 0 in the mean, a rare class is also believed to be more frequent, much as by `logit-adjust`: by
    about s·a·0.27 on its log-odds, 4 with the defaults. How much of it is learnt hangs on the features, so that the
    ledger calls the prior unknown, and validation rows measure it.

    Left out are the second stage of the paper, which trains the classifier again (``crt`` with an order does that), and
    a further fixed margin, which the code of the first stage sets to 0. The code mixes samples besides: `mixup` where
    it is installed.

    When to use
    -----------
    On long tails of many classes, where rare ones have too few rows to fill their place among the features.

    Cost
    ----
    B·K normal numbers per batch, drawn on the CPU: little, but for thousands of classes.

    Not with
    --------
    `cosine-head` and `ldam` bring a head too, and a run has one; `tau-norm` divides lengths that this head does not
    have. `logit-adjust`, `balanced-softmax` and class weights correct the same frequencies again, which is not noticed
    before training.

    Evidence
    --------
    No published figure was gathered. On the built-in digits (imbalance 20, `mlp`, 60 epochs, three seeds) the balanced
    accuracy of validation rows is 0.91, with `balanced-softmax` 0.90 and 0.88 plain: few rows, and no proof.

    References
    ----------
    Li et al. 2022, "Long-tailed visual recognition via Gaussian clouded logit adjustment", section 3 (the clouded logit
    and its amplitude by class); noise, its cut and the defaults are those of the published code (Keke921/GCLLoss,
    ``losses.py``, ``cifar_train_backbone.py``).
    """

    why = "its noise is on cosines"

    unchecked: ClassVar[dict[str, str]] = {
        "classes-permute": "noise is drawn class by class, so that another order of them is another draw"
    }

    amplitude: float = option(0.5, "Factor a on the noise of the rarest class, on the cosine: 0 is none.", ge=0, le=2)

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the criterion on clouded logits."""
        present = context.class_counts > 0
        log_counts = context.class_counts.double().clamp(min=1.0).log()
        gaps = log_counts.max() - log_counts
        most = gaps[present].max()
        shares = (gaps / most).clamp(max=1.0) if most > 0 else torch.zeros_like(gaps)
        amplitudes = (self.scale * self.amplitude * shares).float().to(context.device)

        def clouded(logits: torch.Tensor, target: torch.Tensor, *, draw: Draw) -> torch.Tensor:
            wide = at_least_float32(logits)
            noise = (draw.normal(logits.shape[1]).to(wide) / 3).clamp(-1, 1).abs()
            return criterion(wide - noise * amplitudes.to(wide), target)

        return clouded
