"""Learnable weight scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from imbtk import EpochOrder, EpochSize, RunContext, ScaledHead, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction
from imbtk.errors import PlanError
from imbtk_plugins.stages.decoupled.shared import balanced_order, half_cosine, refuse_beginning

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["LWS"]


class LWS(Strategy):
    """Keep what the network has learnt, and learn one factor for each class's weights, on classes shown equally often.

    It is used in the last epochs, as ``lws@80%-``.

    Notes
    -----
    With the weights w_c of the trained head, the window learns f_c, which begin at 1, in

        z_c = f_c w_c·h + b_c,

    on a frozen backbone, in an order that shows all classes equally often. Frequent classes have longer weights; the
    factors undo that, K numbers where ``crt`` learns a new head. The learning rate restarts and falls to zero, as with
    ``crt``; the paper steps SGD at 0.1 times the usual peak or more, so r = 10 is the default beside AdamW here.

    With ``statistics=true`` the statistics of batch norm go on moving in the window, as MiSLAS has it.

    When to use
    -----------
    As ``crt``, with fewer rows: K numbers cannot learn rare rows by heart.

    Cost
    ----
    None beside a plain run: the epochs of the window are cheaper.

    Not with
    --------
    ``crt``, and what else makes or changes the head, in the same window; a cosine head, whose weights have no length.

    Evidence
    --------
    ResNet-32 on CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, best epoch on the test set: 72.6 / 40.2 beside 70.4
    / 38.3 of the plain network and 75.0 / 40.3 of ``crt`` (BagofTricks-LT). After mixup and with label-aware smoothing
    it is MiSLAS: 82.5 / 47.0.

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 4.1 (LWS).
    Zhong et al. 2021, "Improving calibration for long-tailed recognition", section 3.3 (batch norm in stage 2).
    """

    rate: float = option(10.0, "Factor r on the peak learning rate, from which a cosine falls over the window.", gt=0)
    restart: bool = option(True, "Whether the learning rate restarts like this, or goes on as the run's.")
    statistics: bool = option(False, "Whether the statistics of batch norm go on moving.")
    epoch_size: EpochSize = option(
        "1x", "Rows in an epoch: a multiple of the training rows, a number, or auto (the largest class once)."
    )

    def check_run(self, context: RunContext) -> None:
        """Refuse a window that begins with the run."""
        refuse_beginning(self.name, "scales the weights of a head", context)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Freeze backbone and head, and give each class a factor that is not.

        Raises
        ------
        PlanError
            If the head is not linear, or there are several.
        """
        head = network.head
        if not isinstance(head, nn.Linear):
            raise PlanError(
                f"strategy '{self.name}' does not know the head '{type(head).__name__}'{network.head_origin.text}: it "
                "scales the weights of one linear head. Leave it out, or the strategy that makes this head."
            )
        scaled = ScaledHead(head.in_features, head.out_features, bias=head.bias is not None)
        scaled.linear.load_state_dict(head.state_dict())
        network.freeze("backbone", statistics=self.statistics)
        network.head = scaled.to(head.weight.device)
        network.freeze("head")
        scaled.factor.requires_grad_(True)

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return the class-balanced order of an epoch."""
        return balanced_order(context, self.epoch_size)

    @hookimpl
    def imbtk_schedule(self) -> ScheduleFunction | None:
        """Return a half cosine from `rate` to zero; None where the run's own schedule shall go on."""
        return half_cosine(self.rate) if self.restart else None
