"""AUC margin loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import Batch, Objective, Outputs, TakeStep

__all__ = ["AucMargin"]


class AucMargin(Strategy):
    """Train for the area under the ROC curve: positives shall score a margin above negatives, however few there are.

    Notes
    -----
    With h the probability that the softmax gives to the positive class (the sigmoid of its log-odds, as in LibAUC's
    recipes), t its share in the target and p the share of positives, the loss of a sample is

        (1-p)(h-a)²t + p(h-b)²(1-t) + 2α(p(1-p)m + p·h·(1-t) - (1-p)·h·t) - p(1-p)α²

    which is minimised over the network, a and b and maximised over α ≥ 0. These take their own steps, as in LibAUC: a
    and b go down their gradients, then α becomes max(0, α + 2·rate·(m + b - a - α)), the way up by its gradient over
    p(1-p) with a and b for the mean scores. An optimiser such as Adam moves any number by its rate and no further:
    until α is there, positives would be pulled down. p is the share in an epoch as its order shows it, not that of the
    batch, LibAUC's default: so samples are judged one by one, and batches may lack a class, hold one row or be cut.
    With more than two classes each is held against the rest, with a, b, α of its own, and the mean over them is taken.

    The loss takes the place of the criterion: class weights or another criterion in the same epochs are refused. It
    teaches an order of samples and no probabilities: calibration makes these, and a threshold is best chosen. Yuan et
    al. begin with a network that was trained by cross-entropy: ``auc-margin@50%-``.

    When to use
    -----------
    Where the order of rows is judged (AUROC), with two classes. Not where probabilities or the trained decision are.

    Cost
    ----
    None that is felt: three numbers for each class, and a few operations on (B, K) numbers.

    Not with
    --------
    Whatever makes a criterion or weights (`class-weights`, `focal-loss`, `logit-adjust`, `balanced-softmax`) is
    refused, since it would be ignored, and so is whatever has an objective of its own (`ride`, `bbn`,
    `balanced-contrastive`) and is written before: write it after.

    Evidence
    --------
    The authors' figures were not repeated here, and none was measured.

    References
    ----------
    Yuan et al. 2021, "Large-scale robust deep AUC maximization: a new surrogate loss and empirical studies on medical
    image classification": the AUC margin loss, and of its stochastic method (PESG) the steps of a, b and α.
    """

    unchecked: ClassVar[dict[str, str]] = {
        "objective-handed-on": "it takes the place of the criterion, and core refuses plans that have another"
    }

    margin: float = option(1.0, "How far apart scores, between 0 and 1, of positives and negatives shall be (m).", gt=0)
    rate: float = option(0.1, "Rate of the steps of a, b and α; LibAUC's default.", gt=0, lt=0.5)

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Objective:
        """Return the loss of each sample, which looks at no criterion."""
        saddle = self._saddle(context)
        counts = context.class_counts.double()
        share = counts / counts.sum() if context.class_mass is None else context.class_mass
        binary = context.num_classes == 2 and context.positive is not None
        judged = slice(context.positive, context.positive + 1) if binary else slice(None)  # type: ignore[operator]
        p = share[judged].to(context.device, torch.float32)
        both = p * (1 - p)
        number = both.count_nonzero().clamp(min=1)

        def margins(outputs: Outputs, batch: Batch) -> torch.Tensor:
            h, t = outputs.logits.softmax(1)[:, judged], batch.target[:, judged]
            a, b, alpha = saddle.a, saddle.b, saddle.alpha
            apart = both * self.margin + p * h * (1 - t) - (1 - p) * h * t
            spread = (1 - p) * (h - a).square() * t + p * (h - b).square() * (1 - t)
            # Of a class without rows, or with all of them, every term is 0.
            return (spread + 2 * alpha * apart - both * alpha.square()).sum(1) / number

        return margins

    @hookimpl
    def imbtk_step(self, step: TakeStep, context: RunContext) -> TakeStep:
        """Return the step after which a, b and α take theirs."""
        saddle = self._saddle(context)

        def apart(optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor]) -> torch.Tensor:
            slopes: list[torch.Tensor | None] = []

            def of_the_network() -> torch.Tensor:
                loss = closure()
                # An optimiser leaves alone what has no gradient. Of several looks the last one counts.
                slopes[:] = saddle.a.grad, saddle.b.grad
                saddle.a.grad = saddle.b.grad = None
                return loss

            loss = step(optimizer, of_the_network)
            with torch.no_grad():
                for mean, slope in zip((saddle.a, saddle.b), slopes, strict=True):
                    if slope is not None:
                        mean.sub_(self.rate * slope)
                saddle.alpha += 2 * self.rate * (self.margin + saddle.b - saddle.a - saddle.alpha)
                saddle.alpha.clamp_(min=0)
            return loss

        return apart

    def _saddle(self, context: RunContext) -> Saddle:
        binary = context.num_classes == 2 and context.positive is not None
        saddle: Saddle = self.keep("saddle", lambda: Saddle(1 if binary else context.num_classes))
        return saddle


class Saddle(nn.Module):
    """a, b and α of each class that is judged, (K,)."""

    alpha: torch.Tensor

    def __init__(self, number: int) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(number)), nn.Parameter(torch.zeros(number))
        self.register_buffer("alpha", torch.zeros(number))
