"""Label smoothing."""

from __future__ import annotations

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option

__all__ = ["LabelSmoothing"]


class LabelSmoothing(Strategy):
    """Give a small share of every target to all classes alike, so that the network is never asked to be certain.

    Notes
    -----
    Whatever the criterion is, a target t (B, K) is replaced by

        (1 - ε)·t + ε/K

    which is the form of Szegedy et al. with the uniform distribution, K counting classes without rows too. Mixed
    targets are smoothed as they come. Class weights are those of the target before it is smoothed: a sample weighs as
    much as its own class. ε = 0 is the criterion itself.

    Probabilities are drawn towards 1/K, (1 - ε)·p + ε/K where cross-entropy would give p: decisions stay, and a rare
    class is never below ε/K. For a model without features that is a move towards equal frequencies, which the ledger
    shows; for one with features it is no shift, and so the calibration trusts validation rows more than the ledger.

    When to use
    -----------
    For networks that are too certain, and for a few wrong labels. Against imbalance alone it does little.

    Cost
    ----
    None that can be measured, in time or memory.

    Not with
    --------
    `label-aware-smoothing` and `asymmetric`, which smooth as well: it would be done twice. `logit-adjust` and
    `balanced-softmax` where a class has a share below ε/K: they raise the ε/K that every sample gives it as if it were
    that rare, and it is decided for too often. The ledger sees it, and refuses the plan where it goes too far.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT, 1:100, ResNet-32, accuracy: 72.8 / 38.4 beside 70.4 / 38.3 in the gallery of
    BagofTricks-LT; an earlier state of that gallery has 69.6 / 37.2 beside 69.9 / 38.2. The two disagree: no clear
    gain.

    References
    ----------
    Szegedy et al. 2016, "Rethinking the inception architecture for computer vision", section 7.
    """

    epsilon: float = option(0.1, "Share ε of a target that goes to all classes alike; 0 smooths nothing.", ge=0, lt=1)

    def notices(self, context: RunContext) -> list[str]:
        """Say that corrected probabilities are not the posterior."""
        return [
            f"'{self.name}' teaches smoothed targets, and what maps these back is no temperature and no shift: "
            "decisions are what it is for; probabilities remain a few percent off (docs/ledger.md)."
        ]

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on smoothed targets."""
        if self.epsilon == 0:
            return criterion

        def smoothed(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return criterion(logits, (1 - self.epsilon) * target + self.epsilon / target.shape[1])

        return smoothed
