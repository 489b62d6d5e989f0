"""The prior ledger: what a model without features would come to believe about class frequencies.

A pure function of what the stages of a phase do. It needs no declaration by a strategy, so a stranger's strategy
counts too: the real order's mass, the real weights and the real adjusted criterion are put to a bias of K numbers.

References
----------
.. [1] Menon et al. 2021, "Long-tail learning via logit adjustment", section 3: how a prior shift moves the Bayes
   scorer by ``log π``.
.. [2] Elkan 2001, "The foundations of cost-sensitive learning", theorem 2: weights as a change of the base rate.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch

from imbtk.authoring.context import Criterion
from imbtk.errors import ImbtkError
from imbtk.models.optimizers import eager

__all__ = ["OVERCORRECTION", "PhaseLedger", "correction_index", "is_shifted_cross_entropy", "ledger_of", "same_loss"]

OVERCORRECTION = 1.25
"""The index above which two or more strategies together are refused."""


@dataclass(frozen=True)
class PhaseLedger:
    """The class prior as each stage of a phase leaves it; every row has shape (K,), float64, and sums to one.

    Attributes
    ----------
    natural : Tensor
        Share of each class among the training rows.
    resampled : Tensor
        After the resampling chain.
    ordered : Tensor
        As the epoch order shows it, in expectation.
    weighted : Tensor
        Times the class weights.
    effective : Tensor, optional
        What a model of biases alone comes to believe under the adjusted criterion. None where that cannot be known
        beforehand: the criterion looks at features, rows or the epoch, or an objective, a partner order or a finish
        stands outside of it.
    guess : Tensor, optional
        What it would be without these: where the bias starts, and what is looked at for over-correction.
    """

    natural: torch.Tensor
    resampled: torch.Tensor
    ordered: torch.Tensor
    weighted: torch.Tensor
    effective: torch.Tensor | None
    guess: torch.Tensor | None = None

    @property
    def known_index(self) -> float | None:
        """The correction index: 0 leaves the data's frequencies, 1 makes them uniform, 2 inverts them."""
        return None if self.effective is None else correction_index(self.natural, self.effective)

    @property
    def index(self) -> float | None:
        """The index as far as it can be guessed: what over-correction is judged by."""
        known = self.effective if self.guess is None else self.guess
        return None if known is None else correction_index(self.natural, known)

    @property
    def believed(self) -> torch.Tensor:
        """The class frequencies that the network is taught, the best guess where they cannot be known beforehand."""
        if self.effective is not None:
            return self.effective
        return self.weighted if self.guess is None else self.guess

    def unknown(self) -> PhaseLedger:
        """Return the ledger with its effective prior as a guess only."""
        return dataclasses.replace(self, effective=None, guess=self.effective)

    def table(self) -> dict[str, list[float] | None]:
        """Return the rows by name, as plain lists."""
        return {
            name: None if (row := getattr(self, name)) is None else [float(v) for v in row]
            for name in ("natural", "resampled", "ordered", "weighted", "effective")
        }


def correction_index(natural: torch.Tensor, effective: torch.Tensor) -> float | None:
    """Return one minus the slope of log π_effective on log π_natural, over the classes that have rows.

    Returns None where the natural frequencies are all but equal (within 1 %): then there is no slope.
    """
    present = (natural > 0) & (effective > 0)
    x, y = natural[present].double().log(), effective[present].double().log()
    x, y = x - x.mean(), y - y.mean()
    spread = float((x * x).sum())
    if len(x) < 2 or math.sqrt(spread / len(x)) < 0.01:
        return None
    return 1.0 - float((x * y).sum()) / spread


def ledger_of(
    natural_counts: torch.Tensor,
    class_counts: torch.Tensor,
    order_mass: torch.Tensor,
    weights: torch.Tensor | None,
    adjusted_cross_entropy: Criterion | None,
) -> PhaseLedger:
    """Return the ledger of one phase.

    Parameters
    ----------
    natural_counts, class_counts : Tensor of int64, shape (K,)
        Training rows per class before and after resampling.
    order_mass : Tensor, shape (K,)
        Expected share of each class in an epoch.
    weights : Tensor, shape (K,), optional
        Class weights, any scale.
    adjusted_cross_entropy : callable, optional
        The chain of adjusted criteria over plain cross-entropy; None if there is no adjustment, so that the weighted
        prior is what the model comes to believe.

    Returns
    -------
    PhaseLedger
        ``effective`` is None if `adjusted_cross_entropy` asks for what a model without features does not have.
    """
    natural, resampled, ordered = (_share(row) for row in (natural_counts, class_counts, order_mass))
    weighted = ordered if weights is None else _share(ordered * weights.double())
    wants: frozenset[str] = getattr(adjusted_cross_entropy, "wanted", frozenset())
    if adjusted_cross_entropy is None:
        effective: torch.Tensor | None = weighted
    elif wants:
        effective = None
    else:
        effective = _fitted_belief(weighted, adjusted_cross_entropy)
    return PhaseLedger(natural, resampled, ordered, weighted, effective)


def is_shifted_cross_entropy(criterion: Criterion, num_classes: int, device: torch.device) -> bool:
    """Return whether a criterion is cross-entropy on logits plus one fixed number per class, found by trying it.

    With L_k(z) the loss of class k, exp(-L) must be a distribution over k, and -L(z) - z the same for all z but for
    what is common to all classes.
    """
    z = _probe(num_classes, device)
    losses = _losses(criterion, z)
    if losses is None:
        return False
    shift = -losses - z
    shift = shift - shift.mean(1, keepdim=True)
    distributed = bool((torch.logsumexp(-losses, 1).abs() < _TOLERANCE).all())
    return distributed and bool(((shift - shift[0]).abs() < _TOLERANCE).all())


def same_loss(first: Criterion, second: Criterion, num_classes: int, device: torch.device) -> bool:
    """Return whether two criteria give the same losses, found by trying them."""
    z = _probe(num_classes, device)
    a, b = _losses(first, z), _losses(second, z)
    return a is not None and b is not None and bool(((a - b).abs() < _TOLERANCE).all())


_TOLERANCE = 1e-3
_PROBES = 6


def _probe(num_classes: int, device: torch.device) -> torch.Tensor:
    """Return logits (6, K) that are the same each time, float32."""
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(_PROBES, num_classes, generator=generator).to(device)


@torch.no_grad()
def _losses(criterion: Criterion, z: torch.Tensor) -> torch.Tensor | None:
    """Return the loss of each class at each probe, (6, K); None where the criterion needs more than logits."""
    if getattr(criterion, "wanted", frozenset()):
        return None
    num_classes = z.shape[1]
    target = torch.eye(num_classes, device=z.device)
    try:
        rows = [criterion(row.expand(num_classes, -1), target) for row in z]
    except ImbtkError:
        return None
    losses = torch.stack(rows)
    return losses if losses.shape == z.shape and bool(losses.isfinite().all()) else None


def _share(row: torch.Tensor) -> torch.Tensor:
    row = row.double()
    return row / row.sum()


def _fitted_belief(weighted: torch.Tensor, criterion: Criterion) -> torch.Tensor | None:
    """Return softmax of the bias that minimises Σ_c weighted_c · criterion(bias, c) over the classes with mass."""
    present = weighted > 0
    target = torch.eye(len(weighted), dtype=torch.float64)[present]
    mass = weighted[present]
    # A criterion that scales logits by class has a line of biases with the least loss: from zero it is the shortest of
    # them that comes out. Classes without mass stay far below, also when scaled down.
    start = torch.where(present, 0.0, -1e4).double()
    bias = start.clone().requires_grad_()
    optimiser = eager(torch.optim.LBFGS)(
        [bias], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = torch.where(present, bias, start).expand(len(target), -1)
        loss = (mass * criterion(logits, target).double()).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    belief = torch.where(present, bias.detach(), torch.full_like(bias, -math.inf)).softmax(0)
    return belief if bool(belief.isfinite().all()) else None
