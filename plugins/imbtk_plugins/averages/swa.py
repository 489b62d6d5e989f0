"""Stochastic weight averaging."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction, TakeStep, TrainingRows
from imbtk.authoring.weights import WeightAverage, renew_batch_norm

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Swa"]


class Swa(Strategy):
    """End with the mean of the weights after each epoch of its window, at a constant learning rate: swa@75%-.

    Notes
    -----
    With the weights w_1 … w_n after each of the n epochs of the window, the network becomes

        w_SWA = (w_1 + … + w_n) / n

    and the statistics of batch norm are made anew in one pass over the training rows. That is algorithm 1 of Izmailov
    et al. with a cycle of one epoch, as their code has it: the weights at the window's beginning are not among the n.

    The mean is worth something where training does not settle, so the rate is constant in the window: `lr` times the
    peak. The paper's commands have a half (ResNets on CIFAR-100), a fifth (VGG) and a tenth (ResNets on CIFAR-10).
    A cosine is at 0.15 of its peak after 75 % of a run, so that rates above go up again. ``lr=0`` leaves the rate to
    the run's own schedule.

    A head that is made anew has a mean of its own from there on, and a frozen backbone stays as it is. Strategies that
    rescale the head at the end come after this one.

    When to use
    -----------
    At the end of a training that is long enough for a quarter of it to wander at a constant rate.

    Cost
    ----
    A copy of the weights, and a pass over the training rows at the end; after each epoch of the last phase where the
    best one is kept.

    Not with
    --------
    `crt` in the same epochs is refused: both say the learning rate, unless one does not (``lr=0``,
    ``crt:restart=false``). `ema` in a window that ends together with this one is refused, and so is what
    changes the network when its window ends and is written before.

    Evidence
    --------
    No figure for imbalanced data is known to us, and none was measured here.

    References
    ----------
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", algorithm 1, section 3.2;
    https://github.com/timgaripov/swa (rates).
    """

    replaces_weights = True

    lr: float = option(0.5, "Learning rate in the window, as a share of the peak; 0 for the run's own schedule.", ge=0)

    _steps: int = 0

    @hookimpl
    def imbtk_schedule(self, context: RunContext) -> ScheduleFunction | None:
        """Return the constant rate."""
        return (lambda step, steps: self.lr) if self.lr else None

    @hookimpl
    def imbtk_step(self, step: TakeStep, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the step; after the last one of an epoch the mean takes the weights in."""
        average: WeightAverage = self.keep("average", WeightAverage)

        def averaged(
            optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor], *, network: Network
        ) -> torch.Tensor:
            loss = step(optimizer, closure)
            self._steps = (self._steps + 1) % context.steps_per_epoch
            if self._steps == 0:
                average.update(network, lambda epochs: 1 / (epochs + 1))
            return loss

        return averaged

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows) -> None:
        """Let the network be the mean."""
        average: WeightAverage = self.modules()["average"]  # type: ignore[assignment]
        average.put_into(network, self.name)
        renew_batch_norm(network, training.inputs())
