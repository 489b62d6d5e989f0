"""Device, precision and optimiser, from what the user said and what the machine has."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch

from imbtk.errors import OptionError
from imbtk.models.network import Network, parameter_groups, prefers_channels_last
from imbtk.models.optimizers import eager
from imbtk.planning.config import RunConfig

__all__ = [
    "choose_memory_format",
    "choose_precision",
    "make_optimizer",
    "optimizer_for",
]


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


def optimizer_for(network: Network, config: RunConfig, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser of a run over the parameters of its network, frozen ones left out."""
    # Both were filled in when the run was prepared.
    decay, lr = cast("float", config.weight_decay), cast("float", config.lr)
    groups = parameter_groups(network, decay, lr, config.lr_backbone, config.freeze)
    return make_optimizer(config.optimizer, groups, device)


def make_optimizer(name: str, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups that carry their own ``lr`` and ``weight_decay``."""
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return eager(torch.optim.SGD)(groups, momentum=0.9, nesterov=True)
    # One fused kernel for all parameters: a small network spends more time in the plain loop than in arithmetic.
    return eager(torch.optim.AdamW)(groups, fused=device.type in ("cpu", "cuda"))
