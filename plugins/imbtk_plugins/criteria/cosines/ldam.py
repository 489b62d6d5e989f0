"""Label-distribution-aware margins (LDAM)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from imbtk import Criterion, RunContext, hookimpl, option
from imbtk.authoring.losses import at_least_float32
from imbtk_plugins.criteria.cosines.on_cosines import OnCosines

__all__ = ["LDAM"]


class LDAM(OnCosines):
    """Ask for a margin before a sample counts as right, the wider the rarer its class, on a head of cosines.

    Notes
    -----
    With the cosines cos θ between features and the direction of each class, and n_c rows of class c, the loss of a
    sample of class y is

        -log( e^(s (cos θ_y - m_y)) / (e^(s (cos θ_y - m_y)) + Σ_(c ≠ y) e^(s cos θ_c)) ),   m_c ∝ n_c^(-1/4)

    where the rarest class has the margin `margin`. With a soft target t it is the mean of the losses of all classes,
    weighted by t: what the code of mixing does with two labels. Counts are those of the training rows after resampling;
    a class without a row has no margin. With equal counts every class has the whole margin (CosFace), and margin=0 is
    cross-entropy.

    A margin on the cosine means something only where logits are s times a cosine. So the strategy makes that head, for
    the whole run, whatever its window, and refuses a network that has another. Deferred re-weighting, the paper's best,
    is a window of the weights: ``ldam class-weights:scheme=effective@80%-``.

    When to use
    -----------
    On long tails with some rows in each class, together with deferred weights. Alone it lifts rare classes less than
    an adjustment of the logits does.

    Cost
    ----
    None that is felt beside a plain run: a few operations on (B, K) numbers.

    Not with
    --------
    `cosine-head` and `gcl` bring a head too, and a run has one. `tau-norm` divides lengths that this head does not
    have. Another criterion (`focal-loss`, `seesaw`) takes its place, and a run has one at a time. Class weights from
    the first epoch on hurt it; defer them.

    Evidence
    --------
    CIFAR-10-LT and CIFAR-100-LT, imbalance 100, ResNet-32: accuracy 73.7 and 38.9, with deferred weights 77.7 and 42.5,
    where the plain network of the same gallery has 70.4 and 38.3; chest X-rays (NIH, MIMIC), with deferred weights:
    balanced accuracy 0.289 and 0.275 for 0.115 and 0.169. Single runs of one gallery each, the best epoch on the test
    rows.

    References
    ----------
    Cao et al. 2019, "Learning imbalanced datasets with label-distribution-aware margin loss", sections 3.1 (margins)
    and 3.2 (the loss); the largest margin and s are those of the published code (kaidic/LDAM-DRW, ``losses.py``).
    """

    why = "its margins are on cosines"

    margin: float = option(0.5, "Margin of the rarest class, on the cosine: 0 is cross-entropy.", ge=0, le=2)

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Criterion:
        """Return the loss per sample, (logits (B, K), target (B, K)) -> (B,)."""
        counts = context.class_counts.double()
        margins = torch.where(counts > 0, counts.clamp(min=1.0) ** -0.25, 0.0)
        logit_margins = (self.scale * self.margin * margins / margins.max()).to(context.device)

        def ldam(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            lead = wide - rest(wide)
            return (target.to(wide) * F.softplus(logit_margins.to(wide) - lead)).sum(1)

        return ldam


def rest(logits: torch.Tensor) -> torch.Tensor:
    """Return the log of the sum of the exponentials of all other classes, for each class, (B, K)."""
    leads = torch.arange(logits.shape[1], device=logits.device) == logits.argmax(1, keepdim=True)
    # 1 - p of the class that leads would be rounded to nothing: its rest is summed by itself.
    without_leader = logits.masked_fill(leads, -torch.inf).logsumexp(1, keepdim=True)
    others = logits.log_softmax(1).exp().masked_fill(leads, 0.0)
    return torch.where(leads, without_leader, logits.logsumexp(1, keepdim=True) + torch.log1p(-others))
