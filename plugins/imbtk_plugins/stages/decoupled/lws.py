"""Learnable weight scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from imbtk import EpochOrder, EpochSize, RunContext, ScaledHead, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction
from imbtk_plugins.stages.decoupled.second_stage import balanced_order, check_window, half_cosine, linear

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["LWS"]


class LWS(Strategy):
    """Keep the network and its classifier as they are, and learn how long each class's weights shall be.

    It is used in the last epochs, as ``lws@80%-``: what comes before trains the network as if it were not there.

    Notes
    -----
    When its window begins backbone and head are frozen, the statistics of batch norm with them. All that is trained is
    a factor f_c for each class, 1 at first, on the weights w_c of the head:

        z_c(x) = f_c · w_c·x

    An epoch of the window shows class c with probability 1 / K, the rows of a class equally often. The learning rate
    starts again and falls in a half cosine over the window, from `rate` times its peak, with no warm-up; factors take
    no weight decay. `rate` is 10 because AdamW moves a factor by no more than its learning rate in a step, and windows
    are short; with SGD, as in the paper, write rate=1. Of several experts each has factors of its own.

    The bias goes, as the paper leaves it out: imbtk starts it at the log of the class frequencies, which is what is to
    be taken off. The published code scales it with the weights, decays the factors, and lets the statistics of batch
    norm go on moving (`statistics`).

    When to use
    -----------
    After ordinary training, where classes are many and rows of the rare ones few: K numbers are learnt, so that it
    overfits rare classes less than a head made anew (``crt``). Where the directions of the weights are wrong, and not
    their lengths, ``crt`` can do more.

    Cost
    ----
    An epoch of the window is faster than a plain one, since no gradient goes through the network. Memory: K numbers.

    Not with
    --------
    ``class-weights``, ``balanced-softmax``, ``logit-adjust`` or a balanced order in the same window: each corrects the
    prior once more. Cosine heads, which know no lengths. ``tau-norm`` divides by the lengths that are learnt here.

    Evidence
    --------
    Kang et al., ImageNet-LT, ResNeXt-50: 49.9 % of all and 30.3 % of the few-shot classes, beside 44.4 % and 7.7 % of
    joint training (table of the published code). CIFAR-10-LT and CIFAR-100-LT at 1:100, ResNet-32, by the gallery of
    BagofTricks-LT: 72.6 % and 40.2 %, plain 70.4 % and 38.3 %; the best test epoch, so within a point or two.

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 4.1 (learnable
    weight scaling), eq. 1 (sampling).
    """

    rate: float = option(10.0, "Factor on the peak learning rate, from which a cosine falls over the window.", gt=0)
    restart: bool = option(True, "Whether the learning rate restarts like this, or goes on as the run's.")
    statistics: bool = option(False, "Whether the statistics of batch norm go on moving, as in MiSLAS.")
    epoch_size: EpochSize = option(
        "1x", "Rows in an epoch: a multiple of the training rows, a number, or auto (the largest class once)."
    )

    def check_run(self, context: RunContext) -> None:
        """Refuse a window that begins with the run."""
        check_window(self.name, "learns lengths of a head that was trained", context)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Freeze the network, and put a factor before each class's weights.

        Raises
        ------
        PlanError
            If the head is not linear.
        """
        network.freeze("backbone", statistics=self.statistics)
        network.freeze("head")  # as it is now: the factors come after
        origin = network.head_origin.text
        heads = getattr(network.head, "heads", None)
        if isinstance(heads, nn.ModuleList):
            for number, head in enumerate(heads):
                heads[number] = self._scaled(head, origin)
        else:
            network.head = self._scaled(network.head, origin)

    def _scaled(self, head: nn.Module, origin: str) -> ScaledHead:
        """Return a head with the very weights of another, and a factor for each class."""
        inner = head.linear if isinstance(head, ScaledHead) else linear(head, self.name, origin)
        scaled = ScaledHead(inner.in_features, inner.out_features, bias=False)
        scaled.linear.weight = inner.weight
        if isinstance(head, ScaledHead):  # of an earlier window: go on from there
            scaled.factor.data.copy_(head.factor.data)
        return scaled

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return the class-balanced order of an epoch, with its class mass in closed form."""
        return balanced_order(context, self.epoch_size)

    @hookimpl
    def imbtk_schedule(self) -> ScheduleFunction | None:
        """Return a half cosine from `rate` to zero; None where the run's own schedule shall go on."""
        return half_cosine(self.rate) if self.restart else None
