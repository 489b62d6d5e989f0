"""Label-aware smoothing."""

from __future__ import annotations

import math
from typing import Literal

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option

__all__ = ["LabelAwareSmoothing"]


class LabelAwareSmoothing(Strategy):
    """Smooth the targets of frequent classes more than those of rare ones, or the other way round.

    Notes
    -----
    Whatever the criterion is, a sample of class c gets the target (1 - ε_c)·1[c] + ε_c/K, with n_c rows of class c and

        ε_c = tail + (head - tail)·g(x_c),  x_c = (n_c - n_min) / (n_max - n_min)

    where g(x) is sin(πx/2) for ``shape=concave``, x for ``linear`` and 1 - cos(πx/2) for ``convex``. A mixed target is
    smoothed as the mean of its classes is. n_min is that of the rarest class that has a row; a class without one is
    smoothed as the rarest. Where all have as many rows, none is head or tail and ε is the mean of both: plain label
    smoothing. The direction is in the two options: with ``head=0,tail=0.3`` the rare class is smoothed more.

    The paper shares ε_c among the K - 1 other classes; this is its reference code, which shares it among all K. For a
    model without features smoothing is a shift of the frequencies, which the ledger shows; for one with features it is
    not, and so the calibration trusts validation rows more than the ledger.

    When to use
    -----------
    In a second stage, on a backbone that was trained already, which is what it was made for: networks are too certain
    of frequent classes. The paper takes head 0.3 and tail 0 for 10 classes, 0.4 and 0.1 for 100.

    Cost
    ----
    None that can be measured, in time or memory.

    Not with
    --------
    `label-smoothing` and `asymmetric`, which smooth as well: it would be done twice. `logit-adjust` and
    `balanced-softmax`, which raise what frequent classes hand to rare ones as if it were rare; a balanced epoch order,
    as in the paper's second stage, does not.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT, 1:100, ResNet-32, accuracy: in one stage 72.5 / 37.7 beside 70.4 / 38.3 in the gallery
    of BagofTricks-LT (an earlier state of it: 69.1 / 37.0 beside 69.9 / 38.2), so no clear gain alone. As the second
    stage of MiSLAS, with mixup before it and learnt scales of the classes: 82.5 / 47.0 beside 72.8 / 39.5 for its first
    stage, of which its share is not known. That the rare class should be smoothed more is Shwartz-Ziv et al.'s finding.

    References
    ----------
    Zhong et al. 2021, "Improving calibration for long-tailed recognition", label-aware smoothing in its concave form.
    Shwartz-Ziv et al. 2023, "Simplifying neural network training under class imbalance": the other direction.
    """

    head: float = option(0.3, "Smoothing ε of the most frequent class, without unit.", ge=0, lt=1)
    tail: float = option(
        0.0, "Smoothing ε of the rarest class; above head, rare classes are smoothed more.", ge=0, lt=1
    )
    shape: Literal["concave", "linear", "convex"] = option("concave", "How ε goes from tail to head with the rows.")

    def notices(self, context: RunContext) -> list[str]:
        """Say that corrected probabilities are not the posterior."""
        return [
            f"'{self.name}' teaches smoothed targets, and what maps these back is no temperature and no shift: "
            "decisions are what it is for; probabilities remain a few percent off (docs/ledger.md)."
        ]

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on targets that are smoothed by class."""
        if self.head == self.tail == 0:
            return criterion
        shares = self._shares(context.class_counts.double()).to(context.device)

        def smoothed(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            taken = target * shares.to(target)
            return criterion(logits, target - taken + taken.mean(1, keepdim=True))

        return smoothed

    def _shares(self, counts: torch.Tensor) -> torch.Tensor:
        """Return ε_c, (K,) float64."""
        least, most = counts[counts > 0].min(), counts.max()
        if least == most:
            return torch.full_like(counts, (self.head + self.tail) / 2)
        x = ((counts - least) / (most - least)).clamp(min=0.0)
        if self.shape == "concave":
            x = (x * math.pi / 2).sin()
        elif self.shape == "convex":
            x = 1 - (x * math.pi / 2).cos()
        return self.tail + (self.head - self.tail) * x
