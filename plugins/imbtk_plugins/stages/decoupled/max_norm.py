"""Class weights of limited length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import effective_weights
from imbtk.authoring.records import ScheduleFunction, TakeStep
from imbtk_plugins.stages.decoupled.second_stage import check_window, half_cosine, linear

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["MaxNorm"]


class MaxNorm(Strategy):
    """Keep what the network has learnt to see, and train its head on with classes weighted and their lengths limited.

    It is used in the last epochs, as ``max-norm@90%-``: what comes before trains the network as if it were not there.

    Notes
    -----
    When its window begins the backbone is frozen, the statistics of batch norm with it. The head goes on from where it
    is, with the weight (1 - β) / (1 - β^n_c) of class c with n_c rows in the loss, a weight decay of its own, and
    before the first and after each step

        w_c ← w_c · min(1, δ / ‖w_c‖),    δ = min_c ‖w_c‖ + t · (max_c ‖w_c‖ - min_c ‖w_c‖)

    with the lengths of when the window began: the shortest may grow and the longest may not stay. t = 0.1 is what the
    published code calls a threshold of 0.1: a share of the way, no length. The learning rate starts again and falls in
    a half cosine over the window, from `rate` times its peak: 10 because AdamW moves a weight by no more than its
    learning rate in a step, and windows are short; with SGD, as in the paper, write rate=1. The bias goes back to 0,
    where it is neither decayed nor limited: imbtk starts it at the log of the class frequencies, which would outweigh
    weights so short. Of several experts each has its own δ.

    Where this differs: the code projects at the end of each epoch, the paper and this after each step; its loss is the
    binary cross-entropy of each class's softmax probability, here it is the plan's criterion; the weight decay is that
    of SGD there, here of the run's optimiser (AdamW takes it times the learning rate alone); it decays biases; and it
    keeps the best epoch on test rows. The first stage is trained with a weight decay of 5e-3 there, which does half of
    the work.

    When to use
    -----------
    After a first stage with strong weight decay, on many classes, where a head made anew would be trained on too few
    rows. With two classes the lengths differ little and it has little to do.

    Cost
    ----
    An epoch of the window is faster than a plain one, since no gradient goes through the backbone. A step takes a norm
    of the head's weights more.

    Not with
    --------
    ``class-weights``, which claims the same choice, and ``balanced-softmax``, ``logit-adjust`` or balanced orders in
    the same window: each corrects the prior once more. Cosine heads, which know no lengths. ``sam`` is fine; averages
    (``ema``, ``swa``) are written after it, so that they average what has been limited.

    Evidence
    --------
    CIFAR-100-LT at 1:100, ResNet-34: 47.2 % after a first stage with weight decay, 51.8 % in the last and 52.0 % in the
    best epoch of ten with it (logs of the published code, one run, epoch chosen on test rows).

    References
    ----------
    Alshammari et al. 2022, "Long-tailed recognition via weight balancing", section 4 (MaxNorm by projected gradient
    descent; second stage with class-balanced loss). Cui et al. 2019, "Class-balanced loss based on effective number of
    samples" (weights).
    """

    threshold: float = option(
        0.1,
        "How far from the shortest to the longest class vector the limit is: 0 makes it the shortest's.",
        ge=0,
        le=1,
    )
    decay: float = option(
        0.1, "Weight decay of the head's weights in the window, as the run's optimiser counts it.", ge=0
    )
    beta: float = option(0.9999, "β of the class weights: 0 gives equal ones, towards 1 inverse frequency.", ge=0, lt=1)
    rate: float = option(10.0, "Factor on the peak learning rate, from which a cosine falls over the window.", gt=0)
    restart: bool = option(True, "Whether the learning rate restarts like this, or goes on as the run's.")

    def check_run(self, context: RunContext) -> None:
        """Refuse a window that begins with the run."""
        check_window(self.name, "limits the lengths of a head that was trained", context)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Freeze the backbone, take the bias off, find how long weights may be and let none be longer.

        Raises
        ------
        PlanError
            If the head is not linear.
        """
        network.freeze("backbone")
        weights: list[nn.Parameter] = []
        for head in self._heads(network):
            # New parameters, of which the optimiser remembers nothing.
            head.weight = nn.Parameter(head.weight.detach().clone())
            if head.bias is not None:
                head.bias = nn.Parameter(torch.zeros_like(head.bias))
            weights.append(head.weight)
        lengths = [weight.detach().norm(dim=1) for weight in weights]
        self._limits = [float(torch.lerp(own.min(), own.max(), self.threshold)) for own in lengths]
        self._limit_lengths(weights)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        """Return one over the effective number of rows of each class, (K,) float64."""
        return effective_weights(context.class_counts, self.beta)

    @hookimpl
    def imbtk_step(self, step: TakeStep) -> Callable[..., torch.Tensor]:
        """Return the step with the head's own weight decay, and weights brought back to their limit after it."""

        def limited(
            optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor], *, network: Network
        ) -> torch.Tensor:
            weights = [head.weight for head in self._heads(network)]
            own = {id(weight) for weight in weights}
            groups = [g for g in optimizer.param_groups if any(id(p) in own for p in g["params"])]
            before = [group["weight_decay"] for group in groups]
            for group in groups:
                group["weight_decay"] = self.decay
            try:
                loss = step(optimizer, closure)
            finally:
                for group, decay in zip(groups, before, strict=True):
                    group["weight_decay"] = decay
            self._limit_lengths(weights)
            return loss

        return limited

    def _heads(self, network: Network) -> list[nn.Linear]:
        return [linear(head, self.name, network.head_origin.text) for head in network.heads]

    @torch.no_grad()
    def _limit_lengths(self, weights: Sequence[torch.Tensor]) -> None:
        """Bring class vectors that are longer than their limit back to it, in place."""
        for weight, limit in zip(weights, self._limits, strict=True):
            lengths = weight.norm(dim=1, keepdim=True)
            # But for rounding: what has been brought back stays as it is, to the bit.
            weight.mul_(torch.where(lengths > limit * (1 + 1e-6), limit / lengths, 1.0))

    @hookimpl
    def imbtk_schedule(self) -> ScheduleFunction | None:
        """Return a half cosine from `rate` to zero; None where the run's own schedule shall go on."""
        return half_cosine(self.rate) if self.restart else None
