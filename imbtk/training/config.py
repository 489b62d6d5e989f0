"""How to train, and what is said of an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["EpochRecord", "Progress", "TrainingConfig"]

EpochRecord = dict[str, float]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; what each means stands in :class:`imbtk.planning.config.RunConfig`.

    Beside that `seconds` is how long training may take, and `most_epochs` after how many it ends in any case. Of
    `world_size` processes, this one is number `rank`, and trains on its share of each batch.
    """

    seed: int
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.05
    milestones: tuple[float, ...] = (0.6, 0.8)
    fall: float = 0.1
    clip_norm: float | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    early_stop: str | None = None
    patience: int | None = None
    seconds: float = math.inf
    most_epochs: int | None = None
    accumulate: int = 1
    rank: int = 0
    world_size: int = 1


@dataclass
class Progress:
    """Where training stands, and what it found: what a checkpoint holds besides weights.

    Attributes
    ----------
    history : list of dict
    step : int
        Steps taken.
    best_epoch : int, optional
    best_value : float
    best : dict, optional
        The states of network and strategies after the best epoch, before what comes of windows that end with the run.
    """

    history: list[EpochRecord] = field(default_factory=list)
    step: int = 0
    best_epoch: int | None = None
    best_value: float = -math.inf
    best: dict[str, Any] | None = None
