"""Seesaw loss."""

from __future__ import annotations

import math

import torch
from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["Seesaw"]

_LEAST = math.log(0.01)
"""The log of the least probability of the right class that the compensation divides by, as in MMDetection."""


class Seesaw(Strategy):
    """Push a class down less for samples of more frequent ones, and more again where it is taken for the right one.

    Notes
    -----
    With logits z, probabilities σ = softmax(z) that carry no gradient, and N_i the rows of class i that were trained on
    so far, this batch with them, the loss of a sample of class i is

        -log( e^z_i / (e^z_i + Σ_(j ≠ i) S_ij e^z_j) ),  S_ij = min(1, N_j/N_i)^p · max(1, σ_j/σ_i)^q

    the first factor the mitigation, the second the compensation. p = q = 0 is cross-entropy. Counts follow the order
    and the mix of the training; N is at least 1 and σ_i at least 0.01, as in MMDetection. A sample with a soft target t
    has the cross-entropy of t, log N_i and log σ_i replaced by their means under t, and log S_j times 1 - t_j, which is
    the above where t is one class. Wang et al. judge boxes, with a score for objectness beside it, which is left out.

    When to use
    -----------
    On long tails of very many classes, and where an order or a mix changes what is shown while training.

    Cost
    ----
    None that is felt: a few operations on (B, K) numbers.

    Not with
    --------
    Another criterion (`focal-loss`, `ldam`) is refused in the same epochs, and so is `auc-margin`, which never looks at
    it. ``--accumulate`` and several processes cut batches, of which it needs the whole: refused. `class-weights` and
    `balanced-softmax` are not refused, though all favour rare classes: the ledger counts no criterion.

    Evidence
    --------
    Made and measured on LVIS, by boxes and masks. For classification no figure is known to us, and none was measured
    here.

    References
    ----------
    Wang et al. 2021, "Seesaw loss for long-tailed instance segmentation", section 3: the mitigation and compensation
    factors.
    """

    # What is counted so far hangs on how rows are dealt to batches: a part would not know the rest.
    whole_batch = True

    p: float = option(0.8, "Exponent p of the mitigation: 0 pushes rare classes down as much as any.", ge=0)
    q: float = option(2.0, "Exponent q of the compensation: 0 makes nothing of a wrong class that leads.", ge=0)

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> SeesawCriterion:
        """Return the seesaw loss per sample, which counts what it is called with."""
        # A buffer of a module: it is on the device, in the checkpoint, and a second look within a step leaves it alone.
        counts = self.keep("counts", lambda: Counts(context.num_classes).to(context.device))
        return SeesawCriterion(counts, self.p, self.q)


class Counts(nn.Module):
    """How many rows of each class were trained on, (K,) in a buffer."""

    seen: torch.Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(num_classes))


class SeesawCriterion:
    """``(logits (B, K), target (B, K)) -> (B,)``: the seesaw loss of each sample, at least float32."""

    def __init__(self, counts: Counts, p: float, q: float) -> None:
        self.counts, self.p, self.q = counts, p, q

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each sample, once its batch is counted."""
        wide = at_least_float32(logits)
        target = target.to(wide)
        with torch.no_grad():
            self.counts.seen += target.sum(0)
            log_n = self.counts.seen.to(wide).clamp(min=1.0).log()
            log_p = wide.log_softmax(1)
            own_n = target @ log_n
            own_p = (target * log_p.clamp(min=_LEAST)).sum(1)
            mitigation = self.p * (log_n - own_n[:, None]).clamp(max=0.0)
            compensation = self.q * (log_p - own_p[:, None]).clamp(min=0.0)
            log_s = (mitigation + compensation) * (1 - target)
        return (wide + log_s).logsumexp(1) - (target * wide).sum(1)
