"""Softmax equalization loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch

from imbtk import Criterion, Draw, RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32
from imbtk.errors import OptionError

__all__ = ["Equalization"]


class Equalization(Strategy):
    """Leave rare classes out of the softmax at random where they are not the right one, so that they are pushed less.

    Notes
    -----
    With logits z, one-hot targets y and the share f_k of class k among the training rows, the loss of a sample of
    class j is

        -log( e^z_j / Σ_k w_k e^z_k ),   w_k = 1 - β_k · 1[f_k < λ] · (1 - y_k),   β_k ~ Bernoulli(γ)

    β is drawn for each sample and class. It is any chosen criterion on z + log w, with w at least the smallest number
    of its type: cross-entropy unless another is chosen. A soft target stands for y as it is: a class that a sample is
    partly of is left out in part. Shares are those after resampling; a class without a row is no rare class, and is
    pushed down like any. γ = 0 is cross-entropy, and so is a set without a rare class.

    `threshold` is λ: by default half the share that a class would have if all were equal, 1 / (2K), which is the
    published 0.005 for the 100 classes of CIFAR-100-LT.

    Rare classes come out as more frequent than they are. By how much hangs on the features, so that the ledger calls
    the prior unknown, and validation rows measure it.

    When to use
    -----------
    With many classes of which some are very rare, where most of what a rare class learns is what it is not. With few
    classes a weight or an adjustment does the same without noise.

    Cost
    ----
    B·K random numbers per batch, drawn on the CPU: little, but for thousands of classes.

    Not with
    --------
    Label smoothing of any kind: it asks for a little of each class that was left out, and gets a large constant.
    `logit-adjust`, `balanced-softmax` and class weights correct the same frequencies again, which is not noticed before
    training.

    Evidence
    --------
    CIFAR-100-LT, imbalance 100, ResNet-32: accuracy 40.5, where plain networks of such galleries have 38.3. A single
    figure, gathered and not measured here; none for 10 classes.

    References
    ----------
    Tan et al. 2020, "Equalization loss for long-tailed object recognition", section 4.4 (softmax equalization loss);
    γ and λ are those that a gallery (BagofTricks-LT, ``equalization_loss.py``) used for CIFAR-100-LT.
    """

    unchecked: ClassVar[dict[str, str]] = {
        "classes-permute": "β is drawn class by class, so that another order of them is another draw"
    }

    gamma: float = option(0.9, "Chance γ that a rare class is left out where it is not the right one.", ge=0, le=1)
    threshold: float | None = option(
        None, "Share λ of the rows below which a class is rare; half of 1/K unless given.", gt=0, le=1
    )

    def check_run(self, context: RunContext) -> None:
        """Refuse a threshold that makes no class rare.

        Raises
        ------
        OptionError
            If no class is below it: the strategy would do nothing.
        """
        counts = context.class_counts
        if self.threshold is None or bool(self._rare(counts).any()):
            return
        least = int(torch.where(counts > 0, counts, counts.max()).argmin())
        share = int(counts[least]) / int(counts.sum())
        raise OptionError(
            f"option 'threshold' of strategy '{self.name}' is {self.threshold:g}, and no class is that rare: "
            f"'{context.class_names[least]}', the rarest, has {share:.3g} of the training rows. Give a larger one, or "
            "leave the strategy out."
        )

    def notices(self, context: RunContext) -> list[str]:
        """Say that there is nothing to do where no class is rare."""
        if bool(self._rare(context.class_counts).any()):
            return []
        return [
            f"'{self.name}' changes nothing: no class has less than {self._threshold(context.num_classes):.3g} of the "
            "rows (its option threshold)."
        ]

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the criterion on logits without some of the rare classes."""
        rare = self._rare(context.class_counts).to(context.device)

        def equalized(logits: torch.Tensor, target: torch.Tensor, *, draw: Draw) -> torch.Tensor:
            wide = at_least_float32(logits)
            left_out = (draw.uniform(logits.shape[1]) < self.gamma) & rare
            weights = torch.where(left_out, target.to(wide), 1.0)
            return criterion(wide + weights.clamp(min=torch.finfo(wide.dtype).tiny).log(), target)

        return equalized

    def _rare(self, counts: torch.Tensor) -> torch.Tensor:
        return (counts > 0) & (counts.double() / counts.sum() < self._threshold(len(counts)))

    def _threshold(self, num_classes: int) -> float:
        return 0.5 / num_classes if self.threshold is None else self.threshold
