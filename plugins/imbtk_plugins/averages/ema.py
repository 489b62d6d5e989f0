"""The exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import TakeStep, TrainingRows
from imbtk.authoring.weights import WeightAverage, renew_batch_norm

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Ema"]


class Ema(Strategy):
    """Keep a moving average of the weights, which takes the place of the last ones when training ends.

    Notes
    -----
    After step t, with the weights w_t and the decay d_t,

        v_t = d_t·v_{t-1} + (1 - d_t)·w_t,    d_t = min(d, (1 + t) / (10 + t)),    v_0 = w_0

    where t counts from 0 in the strategy's window. The warm-up of d_t is TensorFlow's: a constant decay of 0.999 would
    still hold a third of the weights that training began with after 1000 steps, and many a run is shorter. Thus the
    average is over about the last tenth of the steps, until d is reached (0.999 after 9000). ``warmup=false`` is d
    throughout.

    At the end of the window the network becomes the average, and the statistics of batch norm are made anew in one pass
    over the training rows. Until then the average changes nothing that is trained. A head that is made anew has an
    average of its own from there on, and a frozen backbone stays what the head is trained on: in ``ema crt@50%-`` it is
    the weights, in ``ema@0-50% crt@50%-`` the average. Strategies that rescale the head at the end come after it:
    ``ema tau-norm``.

    When to use
    -----------
    Where validation figures jump from epoch to epoch: small batches, few rare rows, a high rate.

    Cost
    ----
    A copy of the weights, and a pass over the training rows at the end; after each epoch of the last phase where the
    best one is kept.

    Not with
    --------
    `swa` in a window that ends together with this one is refused, since one of them would undo the other; so is what
    changes the network when its window ends and is written before.

    Evidence
    --------
    No figure for imbalanced data is known to us, and none was measured here.

    References
    ----------
    Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging".
    Tarvainen & Valpola 2017, "Mean teachers are better role models", section 2 (v_t; d = 0.999).
    TensorFlow, ``tf.train.ExponentialMovingAverage``, ``num_updates`` (d_t).
    """

    replaces_weights = True

    decay: float = option(0.999, "Share d of the average that a step leaves in it.", ge=0, lt=1)
    warmup: bool = option(True, "Whether d begins small, so that the average forgets where training began.")

    @hookimpl
    def imbtk_step(self, step: TakeStep, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the step, after which the average follows."""
        average: WeightAverage = self.keep("average", WeightAverage)

        def averaged(
            optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor], *, network: Network
        ) -> torch.Tensor:
            loss = step(optimizer, closure)
            average.update(network, self._share)
            return loss

        return averaged

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows) -> None:
        """Let the network be the average."""
        average: WeightAverage = self.modules()["average"]  # type: ignore[assignment]
        average.put_into(network, self.name)
        renew_batch_norm(network, training.inputs())

    def _share(self, updates: int) -> float:
        """Return 1 - d_t."""
        return 1 - (min(self.decay, (1 + updates) / (10 + updates)) if self.warmup else self.decay)
