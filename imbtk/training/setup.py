"""Device, precision and optimiser, from what the user said and what the machine has."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal, cast

import torch
from torch import nn

from imbtk.errors import OptionError, PlanError
from imbtk.models.network import Network, parameter_groups, prefers_channels_last
from imbtk.models.optimizers import eager
from imbtk.planning.config import RunConfig
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner

__all__ = [
    "MakeOptimizer",
    "carried_over",
    "choose_memory_format",
    "choose_precision",
    "lay_out",
    "make_optimizer",
    "optimizer_for",
]


MakeOptimizer = Callable[[Learner], torch.optim.Optimizer]
"""The optimiser of a phase, over what of network and strategies' modules is trained."""


def choose_precision(wanted: str, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return the precision of training where none is tried: bf16 on GPUs that have it, unless told otherwise.

    On a CPU bf16 makes some networks faster and others slower, and changes the numbers: tried, or asked for.
    """
    if wanted == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if wanted == "bf16" else "fp32"


def choose_memory_format(wanted: str, network: Network) -> Literal["contiguous", "channels-last"]:
    """Return the memory format of training where none is tried: channels-last for convolutions, unless told otherwise.

    Raises
    ------
    OptionError
        If channels-last is asked for and samples are no images.
    """
    if wanted == "channels-last" and len(network.sample_shape) != 3:
        raise OptionError("'memory_format' channels-last is for images: leave it out for tables.")
    if wanted == "auto":
        return "channels-last" if prefers_channels_last(network) else "contiguous"
    return "channels-last" if wanted == "channels-last" else "contiguous"


def lay_out(network: Network, training: TrainingConfig) -> None:
    """Give a network the precision and the memory format of its training."""
    network.bf16, network.channels_last = training.precision == "bf16", training.channels_last
    network.to(memory_format=torch.channels_last if training.channels_last else torch.contiguous_format)


def optimizer_for(learner: Learner, config: RunConfig, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser of a run over what of network and strategies' modules is trained.

    Raises
    ------
    PlanError
        If nothing is.
    """
    # Both were filled in when the run was prepared.
    decay, lr = cast("float", config.weight_decay), cast("float", config.lr)
    groups = parameter_groups(learner.network, decay, lr, config.lr_backbone, learner.strategies)
    if not groups:
        raise PlanError("nothing of the network is left to train: every part of it is frozen. Leave out --freeze.")
    return make_optimizer(config.optimizer, groups, device)


def carried_over(
    before: torch.optim.Optimizer, anew: torch.optim.Optimizer, renewed: Collection[nn.Parameter]
) -> torch.optim.Optimizer:
    """Return the optimiser to go on with: the one before, if `anew` would train the very same parameters.

    Else the new one, with what the other remembers of parameters that are trained still.

    Parameters
    ----------
    before : Optimizer
    anew : Optimizer
    renewed : collection of Parameter
        Those whose values were made anew: momenta of the old ones would lead them astray.
    """
    trained = {p for group in anew.param_groups for p in group["params"]}
    if not renewed and trained == {p for group in before.param_groups for p in group["params"]}:
        return before
    for parameter, remembered in before.state.items():
        if parameter in trained and parameter not in renewed:
            anew.state[parameter] = remembered
    return anew


def make_optimizer(name: str, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups that carry their own ``lr`` and ``weight_decay``."""
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return eager(torch.optim.SGD)(groups, momentum=0.9, nesterov=True)
    # One fused kernel for all parameters: a small network spends more time in the plain loop than in arithmetic.
    return eager(torch.optim.AdamW)(groups, fused=device.type in ("cpu", "cuda"))
