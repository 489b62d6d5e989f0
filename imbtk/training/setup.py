"""Device, precision and optimiser, from what the user said and what the machine has."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch

from imbtk.config import EarlyStopMetric, RunConfig
from imbtk.errors import OptionError
from imbtk.models.network import Network, parameter_groups, prefers_channels_last
from imbtk.models.spec import ModelSpec
from imbtk.optimizers import eager

__all__ = [
    "STOP_BY",
    "choose_device",
    "choose_epochs",
    "choose_learning_rate",
    "choose_memory_format",
    "choose_precision",
    "choose_stopping",
    "choose_weight_decay",
    "make_optimizer",
    "optimizer_for",
]

SAMPLES_SEEN = 100_000
FEWEST_EPOCHS = 5
MOST_EPOCHS = {"table": 100, "images": 50}
"""A network of images takes in a row in fewer looks, and each look costs a hundred times as much."""

STOP_BY: Literal["corrected_log_loss"] = "corrected_log_loss"
FEW_LOOKS = 10
"""Rows of a table that are shown so often are not learned by heart, and between so few epochs a handful of rare
validation rows chooses by luck: at 1:1,000 and 100,000 rows that costs 1.5 % of the log-loss."""

PATIENCE = 0.3
"""Of the epochs, without a gain: the rate falls along a cosine, and what was noise at its height may yet settle."""


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is the GPU where there is one.

    Raises
    ------
    OptionError
        If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise OptionError(f"'{name}' is no device. Write auto, cpu, cuda or cuda:1.") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise OptionError(f"there is no device '{name}' here ({torch.cuda.device_count()} GPUs). Use --device auto.")
    if device.type not in ("cpu", "cuda"):
        raise OptionError(f"the device '{name}' is not supported: imbtk runs on cpu and cuda.")
    return device


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


def choose_epochs(rows: int, kind: str) -> int:
    """Return the number of epochs in which about 100,000 samples are seen, between 5 and 100; 50 of images."""
    return min(MOST_EPOCHS[kind], max(FEWEST_EPOCHS, round(SAMPLES_SEEN / max(rows, 1))))


def choose_stopping(
    epochs: int, kind: str, validation_rows: int, patience: int | None
) -> tuple[EarlyStopMetric, int | None]:
    """Return by which figure the best of at most `epochs` epochs is kept, and how many may go by without a gain.

    Parameters
    ----------
    epochs : int
    kind : "table" or "images"
    validation_rows : int
    patience : int, optional
        As the user gave it.
    """
    if not validation_rows or (kind == "table" and epochs <= FEW_LOOKS and patience is None):
        return "none", None
    return STOP_BY, patience or max(FEWEST_EPOCHS, round(PATIENCE * epochs))


_SGD_RATE, _SGD_DECAY = 50, 2e-4
"""For SGD: its rate over that of AdamW, and its decay. At AdamW's 0.001 it is 0.05 at batches of 64, the 0.1 at 128 of
Cao et al. (2019), Learning imbalanced datasets with label-distribution-aware margin loss, section 4.2.
"""


def choose_learning_rate(spec: ModelSpec, optimizer: str) -> float:
    """Return the peak learning rate that suits a model, where the user gave none.

    Parameters
    ----------
    spec : ModelSpec
    optimizer : "adamw" or "sgd"
    """
    return spec.lr if optimizer == "adamw" else _SGD_RATE * spec.lr


def choose_weight_decay(spec: ModelSpec, optimizer: str, lr: float, steps: int, rarest: float = 1.0) -> float:
    """Return the weight decay that suits a model, where the user gave none.

    Parameters
    ----------
    spec : ModelSpec
    optimizer : "adamw" or "sgd"
    lr : float
        Peak learning rate of the run.
    steps : int
        Batches of the whole run.
    rarest : float
        Rows of the rarest class in a batch, in expectation.

    Notes
    -----
    Decay acts in every step, the rarest class only in those that show a row of it: below one row in a batch the decay
    is proportionally smaller. Otherwise the network forgets the class from one of its rows to the next; at 1:1,000 and
    batches of 64, whole decay keeps an ``mlp`` 13 % above the log-loss of Bayes.

    Examples
    --------
    >>> spec = ModelSpec("mine", None, lr=1e-3, weight_decay=2.0, decay_steps=2000)
    >>> choose_weight_decay(spec, "adamw", 1e-3, 5000), choose_weight_decay(spec, "adamw", 1e-2, 1000)
    (2.0, 0.1)
    """
    if optimizer != "adamw":
        return _SGD_DECAY
    share = min(1.0, steps / spec.decay_steps) if spec.decay_steps else 1.0
    share *= min(1.0, rarest)
    return float(f"{spec.weight_decay * share * spec.lr / lr:.3g}")


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
