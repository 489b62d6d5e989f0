"""What a run does where the user said nothing: device, epochs, when to stop, learning rate, weight decay."""

from __future__ import annotations

from typing import Literal

import torch

from imbtk.errors import OptionError
from imbtk.models.spec import ModelSpec
from imbtk.planning.config import EarlyStopMetric

__all__ = [
    "STOP_BY",
    "choose_device",
    "choose_epochs",
    "choose_learning_rate",
    "choose_stopping",
    "choose_weight_decay",
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


def choose_epochs(rows: int, kind: str) -> int:
    """Return the number of epochs in which about 100,000 samples are seen, between 5 and 100; 50 of images."""
    return min(MOST_EPOCHS[kind], max(FEWEST_EPOCHS, round(SAMPLES_SEEN / max(rows, 1))))


def choose_stopping(
    epochs: int, kind: str, validation_rows: int, patience: int | None
) -> tuple[EarlyStopMetric, int | None]:
    """Return by which metric the best of at most `epochs` epochs is kept, and how many may go by without a gain.

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
