"""Weight balancing by a largest norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import ScheduleFunction, TakeStep
from imbtk.errors import PlanError
from imbtk_plugins.stages.decoupled.shared import half_cosine, refuse_beginning

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["MaxNorm"]


class MaxNorm(Strategy):
    """Train the head alone in the last epochs, with weighted classes, and keep each class's weights from growing long.

    It is used as ``max-norm@80%-``.

    Notes
    -----
    The backbone is frozen, and the head goes on from where it is. Classes weigh by one over their effective number,

        (1 - β) / (1 - β^n_c),

    weights decay by `decay`, and after each step those of each class, and its bias, are put back into a ball:

        w_c ← w_c · min(1, δ / ‖w_c‖₂).

    So rare classes can catch up, which decay alone pulls down most. δ = 0.1 and a decay of 0.1 are the authors' for
    ResNet-34 on CIFAR-100-LT, after a first stage with a weight decay of 5e-3, which is half of what they found: give
    the run ``--weight-decay 0.005`` with SGD. With other features another δ may be right.

    When to use
    -----------
    After a first stage with strong weight decay, on a long tail of many classes.

    Cost
    ----
    None beside a plain run: the epochs of the window are cheaper.

    Not with
    --------
    ``class-weights`` in the same window: refused. Orders that favour rare classes correct the frequencies twice.

    Evidence
    --------
    ResNet-34 on CIFAR-100-LT at an imbalance of 100: 52.0, of which the first stage's decay alone has 47.2 beside 39
    (320 epochs, best epoch on the test set).

    References
    ----------
    Alshammari et al. 2022, "Long-tailed recognition via weight balancing", section 3.3 (MaxNorm, projected gradient
    descent) and 4.1. Cui et al. 2019, "Class-balanced loss based on effective number of samples", eq. 2.
    """

    unchecked: ClassVar[dict[str, str]] = {
        "step-weights-back": "the head's weights are shortened after each step, whatever its rate"
    }

    norm: float = option(0.1, "Largest length δ of a class's weights, without unit.", gt=0)
    decay: float = option(0.1, "Weight decay in the window.", ge=0)
    beta: float = option(0.9999, "β of the effective number: 0 weighs classes alike.", ge=0, lt=1)
    rate: float = option(1.0, "Factor r on the peak learning rate, from which a cosine falls over the window.", gt=0)

    def check_run(self, context: RunContext) -> None:
        """Refuse a window that begins with the run."""
        refuse_beginning(self.name, "balances the weights of a head", context)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Freeze the backbone.

        Raises
        ------
        PlanError
            If the head is not linear.
        """
        for head in network.heads:
            if not isinstance(head, nn.Linear):
                raise PlanError(
                    f"strategy '{self.name}' does not know the head '{type(head).__name__}'{network.head_origin.text}: "
                    "it shortens the weights of linear heads. Leave it out, or the strategy that makes this head."
                )
        network.freeze("backbone")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return one over the effective number of each class, (K,) float64."""
        counts = context.class_counts.double().clamp(min=1)
        log_beta = torch.log1p(torch.tensor(self.beta - 1.0, dtype=torch.float64))
        weights = (self.beta - 1.0) / torch.expm1(counts * log_beta)
        return torch.where(context.class_counts > 0, weights, 0.0)

    @hookimpl
    def imbtk_schedule(self) -> ScheduleFunction:
        """Return a half cosine from `rate` to zero."""
        return half_cosine(self.rate)

    @hookimpl
    def imbtk_step(self, step: TakeStep, context: RunContext) -> Callable[..., torch.Tensor]:
        """Return the step with its own decay, after which long weights are shortened."""

        def shortened(
            optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor], *, network: Network
        ) -> torch.Tensor:
            decays = [group.get("weight_decay", 0.0) for group in optimizer.param_groups]
            for group, decay in zip(optimizer.param_groups, decays, strict=True):
                group["weight_decay"] = self.decay if decay else decay
            try:
                loss = step(optimizer, closure)
            finally:
                for group, decay in zip(optimizer.param_groups, decays, strict=True):
                    group["weight_decay"] = decay
            with torch.no_grad():
                for head in network.heads:
                    assert isinstance(head, nn.Linear)
                    head.weight.copy_(torch.renorm(head.weight, 2, 0, self.norm))
                    if head.bias is not None:
                        head.bias.clamp_(-self.norm, self.norm)
            return loss

        return shortened
