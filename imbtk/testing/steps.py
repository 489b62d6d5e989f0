"""One step of a strategy on the small network of a bench."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from imbtk.models.network import Network
from imbtk.testing.bench import Bench
from imbtk.testing.network_hooks import plain_objective, plain_step

__all__ = ["Taken", "step_taken"]


@dataclass
class Taken:
    """What came of one step.

    Attributes
    ----------
    network : Network
    before : dict of str to Tensor
        Its state before the step.
    losses : list of float
        What the closure gave, look by look.
    handed : int
        How often the step that was handed on was called.
    returned : object
    """

    network: Network
    before: dict[str, torch.Tensor]
    losses: list[float] = field(default_factory=list)
    handed: int = 0
    returned: Any = None


def step_taken(bench: Bench, lr: float = 0.1) -> Taken | None:
    """Take one step of gradient descent on the network; None where the strategy does not answer."""
    network = bench.begun
    if network is None or not bench.dispatcher.answering("imbtk_step"):
        return None
    taken = Taken(network, copy.deepcopy(network.state_dict()))

    def handed(optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor]) -> torch.Tensor:
        taken.handed += 1
        return plain_step(optimizer, closure)

    step = bench.step(handed)
    if step is None:
        return None
    kept = nn.ModuleDict(bench.strategy.modules())
    trained = [p for p in (*network.parameters(), *kept.parameters()) if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=lr)
    batch, judged = bench.batch(), bench.objective() or plain_objective

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = judged(network(batch.inputs, outputs=True), batch).mean()
        torch.autograd.backward(loss)
        taken.losses.append(loss.item())
        return loss

    returned = step(optimizer, closure)
    taken.returned = returned.detach() if isinstance(returned, torch.Tensor) else returned
    return taken
