"""Bilateral-branch network (BBN)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch

from imbtk import Draw, RunContext, Strategy, hookimpl
from imbtk.authoring.records import Batch, Objective, Outputs, Partner

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Bbn"]


class Bbn(Strategy):
    """Train two branches, one on rows as they come and one on rare classes, and go from the first to the second.

    Notes
    -----
    The network's last block and head are copied, the head alone where the network names no last block. Beside each row
    of an epoch stands another, whose class is drawn with probability ∝ 1 / n_c, and the row evenly within it: reversed
    sampling, which shows the rarest class most. In epoch t of the T of the strategy's window, with the first branch f_a
    on the row x_a and the second f_b on the other, x_b,

        z = α·f_a(x_a) + (1 - α)·f_b(x_b),    α = 1 - (t / T)²
        loss = α·ℓ(z, y_a) + (1 - α)·ℓ(z, y_b)

    where ℓ is what the plan makes of it: its criterion, adjustments and class weights, each term weighted by its own
    target. Predictions are the mean of both branches, α = ½, as in the paper. The published code has twice these
    logits, in training and afterwards, which is a matter of how large weights start; it has one bias for both branches,
    here each has its own. Both branches see both rows, so that their batch norm, like the trunk's, counts both.

    When to use
    -----------
    On long tails, where one training shall give both good features and a head for rare classes. `crt` asks for less.

    Cost
    ----
    Two rows for each go through the trunk and both branches: about twice the time of a training. A prediction takes one
    trunk and two last blocks.

    Not with
    --------
    `ride` branches the network as well, and it has one last block: refused. `class-weights`, `oversample` and the like
    are not refused: the ledger does not count the reversed rows, so that nobody notices when these correct a second
    time. `auc-margin` written after it ignores it: write it before.

    Evidence
    --------
    No figure to hold it to is known to us, and none was measured here.

    References
    ----------
    Zhou et al. 2020, "BBN: bilateral-branch network with cumulative learning for long-tailed visual recognition",
    section 4.2 (reversed sampler), eq. 1 (logits), eq. 3 (loss) and eq. 5 (α, there with epochs counted from 1).
    """

    def notices(self, context: RunContext) -> list[str]:
        """Say that corrected probabilities are not quite the posterior."""
        return [
            f"'{self.name}' ends between two class frequencies, more for some rows than for others: "
            "probabilities remain a few percent off (docs/ledger.md)."
        ]

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Branch the network."""
        network.branch(2)

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Partner:
        """Return who draws, beside each row, one of the reversed distribution: class ∝ 1 / n_c, then row."""
        counts = torch.bincount(context.labels, minlength=context.num_classes)
        starts, by_class = counts.cumsum(0) - counts, torch.argsort(context.labels, stable=True)
        reversed_ = torch.where(counts > 0, counts.double().reciprocal(), 0.0)

        def draw_reversed(epoch: int, order: torch.Tensor, draw: Draw) -> torch.Tensor:
            generator, size = draw.generator(), order.shape[0]
            classes = torch.multinomial(reversed_, size, replacement=True, generator=generator)
            place = torch.rand(size, generator=generator, dtype=torch.float64) * counts[classes]
            return by_class[starts[classes] + place.long()]

        return draw_reversed

    @hookimpl
    def imbtk_objective(self, objective: Objective, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the loss of both rows under the mixed logits of both branches."""
        window = context.window

        def bbn(
            outputs: Outputs, batch: Batch, *, experts: torch.Tensor, partner: Batch, network: Network
        ) -> torch.Tensor:
            alpha = 1 - ((batch.epoch - window.start) / (window.stop - window.start)) ** 2
            others = cast("torch.Tensor", network(partner.inputs, outputs=True).experts)
            mixed = outputs.but(logits=alpha * experts[0] + (1 - alpha) * others[1])
            return alpha * objective(mixed, batch) + (1 - alpha) * objective(mixed, partner)

        return bbn
