"""The learning rate over a run, or over a window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from imbtk.planning.phases import BuiltPhase
from imbtk.training.config import TrainingConfig

__all__ = ["Schedule", "learning_rate_factor", "schedule_of"]


MILESTONES, FALL = (0.6, 0.8), 0.1


def learning_rate_factor(
    step: int,
    total: int,
    schedule: str,
    warmup: float,
    milestones: Sequence[float] = MILESTONES,
    fall: float = FALL,
) -> float:
    """Return the factor on the peak learning rate at `step` of `total`.

    A linear rise over the first `warmup` of the steps, then a half cosine to zero (Loshchilov & Hutter 2017, equation
    5, one cycle), or a factor of `fall` at each of the `milestones`, shares of what is left, or nothing.
    """
    rising = max(1, round(warmup * total)) if warmup else 0
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, total - rising)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "step":
        # So that two falls to a tenth are 0.01, which 0.1 ** 2 is not. A milestone of 155/195 is met at step 155.
        return float((1 / fall) ** -sum(done >= milestone - 1e-12 for milestone in milestones))
    return 1.0


class Schedule:
    """Sets an optimiser's rates before each step; those it comes with are the peaks.

    Parameters
    ----------
    total : int
        Steps of the whole training.
    kind : "cosine", "step" or "constant"
    warmup : float
        Share of the steps in which the rate rises.
    milestones : sequence of float
        Of "step": the shares of the other steps after which the rate falls.
    fall : float
        By which factor it falls.
    """

    def __init__(
        self, total: int, kind: str, warmup: float, milestones: Sequence[float] = MILESTONES, fall: float = FALL
    ) -> None:
        self.total, self._kind, self._warmup = total, kind, warmup
        self._milestones, self._fall = milestones, fall

    def drive(
        self, optimizer: torch.optim.Optimizer, phase: BuiltPhase | None = None, phases: Sequence[BuiltPhase] = ()
    ) -> None:
        """Set the rates of an optimiser from here on.

        Parameters
        ----------
        optimizer : Optimizer
            One that was driven before keeps its peaks.
        phase : BuiltPhase, optional
            Whose strategies may choose the rate over a window, counted in steps of these `phases`.
        """
        for group in optimizer.param_groups:
            group.setdefault("peak", float(group["lr"]))
        self._optimizer = optimizer
        self._own = None if phase is None else phase.schedule
        if self._own is not None and phase is not None:
            window = phase.schedule_window
            self._first = _steps(phases, 0, window.start)
            self._length = _steps(phases, window.start, window.stop)

    def set(self, step: int) -> None:
        """Set the rates of `step`, from 0."""
        if self._own is None:
            factor = learning_rate_factor(step, self.total, self._kind, self._warmup, self._milestones, self._fall)
        else:
            factor = self._own(step - self._first, self._length)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * factor


def schedule_of(config: TrainingConfig, total: int) -> Schedule:
    """Return the schedule of a training of `total` steps."""
    return Schedule(total, config.schedule, config.warmup, config.milestones, config.fall)


def _steps(phases: Sequence[BuiltPhase], start: int, stop: int) -> int:
    """Return the steps between two epochs at which phases begin or end."""
    inside = [p for p in phases if start <= p.planned.phase.start and p.planned.phase.stop <= stop]
    return sum(phase.steps * phase.planned.phase.epochs for phase in inside)
