"""How to train, and what is said of an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["EpochRecord", "TrainingConfig"]

EpochRecord = dict[str, float]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; what each means stands in :class:`imbtk.planning.config.RunConfig`.

    Beside that `seconds` is how long training may take, and `most_epochs` after how many it ends in any case.
    """

    seed: int
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.05
    clip_norm: float | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    early_stop: str | None = None
    patience: int | None = None
    seconds: float = math.inf
    most_epochs: int | None = None
