"""The learning rate over a run."""

from __future__ import annotations

import math

import torch

__all__ = ["Schedule", "learning_rate_factor"]


def learning_rate_factor(step: int, total: int, schedule: str, warmup: float) -> float:
    """Return the factor on the peak learning rate at `step` of `total`.

    A linear rise over the first `warmup` of the steps, then a half cosine to zero (Loshchilov & Hutter 2017, equation
    5, one cycle), or steps of 1/10 at 60 % and 80 %, or nothing.
    """
    rising = max(1, round(warmup * total)) if warmup else 0
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, total - rising)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "step":
        return 1.0 if done < 0.6 else 0.1 if done < 0.8 else 0.01
    return 1.0


class Schedule:
    """Sets an optimiser's rates before each step; those it comes with are the peaks.

    Parameters
    ----------
    optimizer : Optimizer
    total : int
        Steps of the whole training.
    kind : "cosine", "step" or "constant"
    warmup : float
        Share of the steps in which the rate rises.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, total: int, kind: str, warmup: float) -> None:
        self.total, self._kind, self._warmup = total, kind, warmup
        self._groups = [(group, float(group["lr"])) for group in optimizer.param_groups]

    def set(self, step: int) -> None:
        """Set the rates of `step`, from 0."""
        factor = learning_rate_factor(step, self.total, self._kind, self._warmup)
        for group, peak in self._groups:
            group["lr"] = peak * factor
