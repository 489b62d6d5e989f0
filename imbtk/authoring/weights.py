"""What strategies do with weights: move them for a look elsewhere, and make statistics fit those they end with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from imbtk.errors import PlanError

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["Moved", "WeightAverage", "ascend", "renew_batch_norm"]


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


class WeightAverage(nn.Module):
    """An average of a network's weights on their way, which a strategy keeps: ``self.keep("average", WeightAverage)``.

    Backbone and head each have one of their own, which begins with the first weights that are seen. It starts over
    where the part was made anew: with a new ``network.head_version``, or when weights have other shapes. What is frozen
    is not averaged but followed, since a head is trained on the features of the backbone as it stands.

    Notes
    -----
    Not ``torch.optim.swa_utils.AveragedModel``: that one holds a whole network, of the form that it had at first, and
    waits for the device at each update.
    """

    def __init__(self) -> None:
        super().__init__()
        self._averages: dict[str, list[torch.Tensor]] = {"backbone": [], "head": []}
        self._counts = dict.fromkeys(self._averages, 0)
        self._head_version = 0

    @torch.no_grad()
    def update(self, network: Network, share: Callable[[int], float]) -> None:
        """Let each average go a share of its way to the weights as they are.

        Parameters
        ----------
        network : Network
        share : callable
            ``n -> share`` in [0, 1], n >= 1 the updates that the average has had: 1 / (n + 1) makes it the mean.
        """
        for part, averages in self._averages.items():
            weights: list[torch.Tensor] = list(network.get_submodule(part).parameters())
            if not self._fits(part, network) or not weights:
                self._averages[part], self._counts[part] = [weight.clone() for weight in weights], 1
                continue
            # Those from a checkpoint come on the CPU.
            averages[:] = [average.to(weight.device) for average, weight in zip(averages, weights, strict=True)]
            way = share(self._counts[part])
            torch._foreach_lerp_(averages, weights, [way if weight.requires_grad else 1.0 for weight in weights])
            self._counts[part] += 1
        self._head_version = network.head_version

    @torch.no_grad()
    def put_into(self, network: Network, name: str) -> None:
        """Give a network the averages for weights, but for parts that have none yet, or were made anew since.

        Statistics of batch norm are to be made anew then: :func:`renew_batch_norm`.

        Parameters
        ----------
        network : Network
        name : str
            The strategy's, for messages.

        Raises
        ------
        PlanError
            If a part was replaced after the last step.
        """
        for part, averages in self._averages.items():
            if self._fits(part, network):
                for weight, average in zip(network.get_submodule(part).parameters(), averages, strict=True):
                    weight.copy_(average)
            elif self._counts[part] and network.head_version == self._head_version:
                raise PlanError(
                    f"'{name}' has averaged another {part} than the one that a strategy before it puts into the "
                    f"network when their windows end: write '{name}' before it."
                )

    def _fits(self, part: str, network: Network) -> bool:
        """Tell whether the average is one of this part of the network, as it was made."""
        if not self._counts[part] or (part == "head" and network.head_version != self._head_version):
            return False
        shapes = [weight.shape for weight in network.get_submodule(part).parameters()]
        return shapes == [average.shape for average in self._averages[part]]

    def get_extra_state(self) -> dict[str, Any]:
        """Return averages, counts and the version of the head: what a checkpoint holds."""
        return {"averages": self._averages, "counts": self._counts, "head_version": self._head_version}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`get_extra_state` gave, also of a network that had other shapes."""
        self._averages = {part: list(averages) for part, averages in state["averages"].items()}
        self._counts, self._head_version = dict(state["counts"]), state["head_version"]


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
