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


def renew_batch_norm(network: nn.Module, inputs: Iterable[torch.Tensor]) -> None:
    """Make the statistics of batch norm those of its weights as they are: means over batches of the inputs.

    Averaged weights need it: the statistics that came along are those of other weights.

    References
    ----------
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", section 3.2.
    """
    training = network.training
    torch.optim.swa_utils.update_bn(inputs, network)  # leaves networks without batch norm alone
    network.train(training)
