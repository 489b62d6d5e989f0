"""Steps by the gradient a little uphill."""

from collections.abc import Callable

import torch

from imbtk import RunContext, Strategy, TakeStep, hookimpl, option
from imbtk.authoring.weights import ascend


class LookUphill(Strategy):
    """Step by the gradient at the steepest point nearby, which leads to flat minima."""

    distance: float = option(0.05, "How far the point is from the weights.", gt=0)

    @hookimpl
    def imbtk_step(self, step: TakeStep, context: RunContext) -> TakeStep:
        """Return how a step is taken, (optimizer, closure) -> loss."""

        def take(optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor]) -> torch.Tensor:
            def uphill() -> torch.Tensor:
                loss, moved = closure(), ascend(optimizer, self.distance)
                try:
                    closure()
                finally:
                    moved.back()
                return loss

            return step(optimizer, uphill)

        return take
