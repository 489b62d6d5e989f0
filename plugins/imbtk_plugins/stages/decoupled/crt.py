"""Classifier re-training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbtk import EpochOrder, EpochSize, RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction
from imbtk_plugins.stages.decoupled.second_stage import balanced_order, check_window, half_cosine

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["CRT"]


class CRT(Strategy):
    """Keep what the network has learnt to see, and train a new classifier head on classes shown equally often.

    It is used in the last epochs, as ``crt@80%-``: what comes before trains the backbone as if it were not there.

    Notes
    -----
    When its window begins the backbone is frozen, the statistics of its batch norms with it, and the head made anew.
    An epoch of the window shows class c with probability 1 / K (eq. 1 with q = 0), the rows of a class equally often,
    as the paper's sampler does. The learning rate starts again and falls over the S steps of the window,

        η_s = r η (1 + cos(π s / S)) / 2,

    with no warm-up, from r times its peak. The paper trains with SGD, at a peak a hundred times that of AdamW here, and
    r = 1. AdamW at its own peak leaves the head untrained in a window of some fifty steps (on digits at 1:20 a balanced
    accuracy of 0.50, with r = 10 of 0.90), so r = 10 is the default; with SGD write rate=1.

    Where this differs: the paper lets the rate of the first stage fall to zero before the second, here it is where the
    window cuts the run's own schedule; it steps the rate once per epoch, here each step does; and its code lets the
    statistics of batch norm go on moving in the second stage.

    When to use
    -----------
    As the first thing to try on a long tail, after any training that learns good features.

    Cost
    ----
    None: in its window the head alone is trained.

    Not with
    --------
    A window that begins with the run is refused. In the same epochs so are `oversample` and `undersample` (there is one
    order), `class-weights`, `balanced-softmax`, `logit-adjust` and `balanced-contrastive` (over-correction), and `swa`
    (there is one learning rate: ``restart=false``, or ``swa:lr=0``). Let them end where it begins.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32 (best epoch on the test set): accuracy 75.0 / 40.3
    beside 70.4 / 38.3 of the plain network. NIH / MIMIC long-tailed chest X-rays (Holste et al. 2022): balanced
    accuracy 0.294 / 0.296, the best of nine ways, beside 0.115 / 0.169.

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 4 (cRT), eq. 1
    (sampling), section 5.1 (cosine schedule, ten epochs after ninety).
    """

    rate: float = option(10.0, "Factor r on the peak learning rate, from which a cosine falls over the window.", gt=0)
    restart: bool = option(True, "Whether the learning rate restarts like this, or goes on as the run's.")
    epoch_size: EpochSize = option(
        "1x", "Rows in an epoch: a multiple of the training rows, a number, or auto (the largest class once)."
    )

    def check_run(self, context: RunContext) -> None:
        """Refuse a window that begins with the run."""
        check_window(self.name, "trains a new head", context)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Freeze the backbone and make the head anew."""
        network.freeze("backbone")
        network.renew_head()

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return the class-balanced order of an epoch, with its class mass in closed form."""
        return balanced_order(context, self.epoch_size)

    @hookimpl
    def imbtk_schedule(self) -> ScheduleFunction | None:
        """Return a half cosine from `rate` to zero; None where the run's own schedule shall go on."""
        return half_cosine(self.rate) if self.restart else None
