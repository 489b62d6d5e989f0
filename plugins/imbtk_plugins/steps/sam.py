"""Sharpness-aware minimisation."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import TakeStep
from imbtk.authoring.weights import ascend

__all__ = ["Sam"]


class Sam(Strategy):
    """Learn from the worst point near the weights, so that training ends where the loss is flat; takes twice the time.

    Notes
    -----
    With the loss L of a batch at the weights w, a step goes down the gradient that L has at w + ε, from w:

        ε = ρ·∇L(w) / ‖∇L(w)‖₂,    g = ∇L(w + ε)

    which are eq. 2 (p = 2) and eq. 3 of Foret et al. Whatever optimiser the run has takes the step. L is the weighted
    loss of the plan, the same batch and the same random numbers for both. The norm is over all that is trained, and
    the statistics of batch norm are moved by the first look alone, at w: those at w + ε are of weights that are never
    used.

    On long-tailed data rare classes end in saddle points, where a small step up is what leads out; ρ is larger there
    than elsewhere, above all once rare classes count more: ``sam:rho=0.1@0-80% sam:rho=0.5@80%- class-weights@80%-``.

    When to use
    -----------
    On long tails together with deferred weights, where a training may take twice as long.

    Cost
    ----
    Two looks at each batch, so twice the time, and a copy of the weights.

    Not with
    --------
    Nothing is refused. In a loop of your own it needs ``composition.steps`` (``docs/own-loop.md``).

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32: accuracy 80.6 / 44.6 with deferred weights (Rangwani
    et al.), where another gallery has 74.6 / 39.2 without it (BagofTricks-LT, best test epoch). None was measured here.

    References
    ----------
    Foret et al. 2021, "Sharpness-aware minimization for efficiently improving generalization", eq. 2 and 3.
    Rangwani et al. 2022, "Escaping saddle points for effective generalization on class-imbalanced data", section 4.
    """

    rho: float = option(
        0.05, "Length ρ of the way up, in weights: 0 changes nothing; 0.1 to 0.8 on long-tailed data (Rangwani).", ge=0
    )

    @hookimpl
    def imbtk_step(self, step: TakeStep, context: RunContext) -> TakeStep:
        """Return the step whose gradient is that of the point above."""

        def sharpness_aware(optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor]) -> torch.Tensor:
            def looking_above() -> torch.Tensor:
                loss = closure()
                moved = ascend(optimizer, self.rho)
                try:
                    closure()
                finally:
                    moved.back()
                return loss

            return step(optimizer, looking_above)

        return sharpness_aware
