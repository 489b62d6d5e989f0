"""Label distribution disentangling (LADE)."""

from __future__ import annotations

import math
from typing import Literal

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["LADE"]


class LADE(Strategy):
    """Count classes by their rows inside the softmax, and hold each logit to what it would be were all as frequent.

    Notes
    -----
    With logits f, the share π_c of class c among the training rows and B samples in a batch, N_c of class c, the loss
    of a batch is that of `balanced-softmax`, the chosen criterion on f + log n, plus α times

        Σ_c π_c · ( -1/N_c Σ_(y_i = c) f_c(x_i) + r_c + λ r_c² ),   r_c = log( 1/B Σ_i v_ic e^f_c(x_i) )

    The bracket is a regularised Donsker-Varadhan bound: least where f_c is the log of how much more frequent x is in
    class c than at large, r_c = 0. `importance` says what v is: ``classes``, as the published code and so its figures
    have it, 1 / (K π_c); ``rows``, 1 / (K π_(y_i)), which makes the sum one over a set with equal classes, and is what
    the derivation asks for. A class that the batch does not hold is left out of the sum, since there is nothing to hold
    its logits up; the published code goes on pushing them down. Soft targets t count as t samples: N_c = Σ_i t_ic.

    Each sample is given the whole second term, whose mean is the term. Counts are those of the training rows after
    resampling; a class without a row counts as one row in the softmax, and its share is 0.

    When to use
    -----------
    Where `balanced-softmax` is, with large batches and many classes; also where class frequencies will differ from the
    training rows', since its logits are made not to know these.

    Cost
    ----
    None that is felt: sums over (B, K) numbers. Batches cannot be cut, so that --accumulate is refused.

    Not with
    --------
    `balanced-softmax`, `logit-adjust`, class weights and balanced orders correct the same frequencies again, which is
    refused; class weights would weigh the second term by the batch, too.

    Evidence
    --------
    CIFAR-100-LT, imbalance 100, ResNet-32: accuracy 45.4, with α = 0.1 and λ = 0.01, in a recipe of its own. Published,
    not measured here; `balanced-softmax` alone has 43.0 in another gallery, so that the gain of the second term is not
    known.

    References
    ----------
    Hong et al. 2021, "Disentangling label distribution for long-tailed visual recognition", section 3.3 (the loss and
    its regularised bound); the published code (hyperconnect/LADE, ``loss/LADELoss.py``, ``loss/PriorCELoss.py``).
    """

    # The second term is about how a batch spreads.
    whole_batch = True

    alpha: float = option(0.1, "Factor α on the second term, without unit: 0 is balanced softmax.", ge=0)
    regularization: float = option(0.01, "Factor λ on r², without unit: keeps logits from drifting together.", ge=0)
    importance: Literal["classes", "rows"] = option(
        "classes", "Whether the spread of a logit is made up for by its own class's share, or row by row."
    )

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on logits plus log counts, plus the second term."""
        counts = context.class_counts.double()
        shares = (counts / counts.sum()).to(context.device)
        log_counts = counts.clamp(min=1.0).log().to(context.device)
        importance = (counts.sum() / (len(counts) * counts.clamp(min=1.0))).to(context.device)

        def spread(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            v = importance.to(logits) if self.importance == "classes" else (target @ importance.to(logits))[:, None]
            r = (logits + v.log()).logsumexp(0) - math.log(len(logits))
            held = target.sum(0)
            own = (target * logits).sum(0) / held.clamp(min=torch.finfo(held.dtype).tiny)
            terms = shares.to(logits) * (r + self.regularization * r.square() - own)
            return torch.where(held > 0, terms, 0.0).sum()

        def disentangled(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            adjusted = criterion(wide + log_counts.to(wide), target)
            return adjusted + self.alpha * spread(wide, target.to(wide)) if self.alpha else adjusted

        return disentangled
