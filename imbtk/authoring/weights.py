"""What strategies do with weights: move them for a look elsewhere, and make statistics fit those they end with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

__all__ = ["Moved", "ascend", "renew_batch_norm"]


class Moved:
    """Weights that were moved by something that is taken off again."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters: list[torch.Tensor] = list(parameters)
        self._before = [parameter.detach().clone() for parameter in parameters]

    def back(self) -> None:
        """Put the weights back, to the bit; their gradients stay."""
        with torch.no_grad():
            torch._foreach_copy_(self._parameters, self._before)


def ascend(optimizer: torch.optim.Optimizer, rho: float) -> Moved:
    """Move what an optimiser trains by ρ·g/‖g‖, the way up by its gradient; put it back in ``finally``.

    Parameters
    ----------
    optimizer : Optimizer
        Parameters without a gradient stay.
    rho : float
        Euclidean length of the way, over all parameters.

    References
    ----------
    Foret et al. 2021, "Sharpness-aware minimization for efficiently improving generalization", equation 2 (p = 2).
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    moved = Moved(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    with torch.no_grad():
        factor = rho / (norm + 1e-12)
        torch._foreach_add_(parameters, [gradient * factor for gradient in gradients])
    return moved


@torch.no_grad()
def renew_batch_norm(network: nn.Module, inputs: Iterable[torch.Tensor]) -> None:
    """Make the statistics of batch norm those of its weights as they are: means over batches of the inputs.

    Averaged weights need it: the statistics that came along are those of other weights. Frozen parts keep theirs.

    References
    ----------
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", section 3.2.
    """
    training = network.training
    network.train()
    # Not torch's update_bn, which resets all of them first: those of frozen parts, in eval mode, would stay at nothing.
    moving = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    momenta = [module.momentum for module in moving]
    for module in moving:
        module.reset_running_stats()
        module.momentum = None  # all batches alike
    try:
        for batch in inputs if moving else ():
            network(batch)
    finally:
        for module, momentum in zip(moving, momenta, strict=True):
            module.momentum = momentum
        network.train(training)
