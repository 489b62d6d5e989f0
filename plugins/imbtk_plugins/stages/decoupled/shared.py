"""What second stages on a frozen backbone have in common."""

from __future__ import annotations

import math

import torch

from imbtk import EpochOrder, EpochSize, RunContext, expected_rows, order_by_class
from imbtk.authoring.records import ScheduleFunction
from imbtk.errors import PlanError

__all__ = ["balanced_order", "half_cosine", "refuse_beginning"]


def refuse_beginning(name: str, what: str, context: RunContext) -> None:
    """Refuse a window that begins with the run: `what` the strategy does needs a backbone that has learnt before.

    Raises
    ------
    PlanError
        If it does, or there is none.
    """
    if context.window.start == 0:
        raise PlanError(
            f"'{name}' {what} on a backbone that has learnt before, and here it is on from the first epoch, when "
            f"nothing has: write when it begins, {name}@80%- for the last fifth of the run."
        )


def balanced_order(context: RunContext, size: EpochSize) -> EpochOrder:
    """Return an order that shows all classes equally often, with its class mass in closed form."""
    counts = torch.bincount(context.labels, minlength=context.num_classes)
    expected = expected_rows(counts, 0.0, size, whole=float(counts.max()))
    return order_by_class(context.labels, expected, replacement=False)


def half_cosine(rate: float) -> ScheduleFunction:
    """Return a learning rate that falls over the window from `rate` times its peak to zero."""
    return lambda step, steps: 0.5 * rate * (1.0 + math.cos(math.pi * step / steps))
