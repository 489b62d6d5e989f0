"""What second stages share: a first one before them, a learning rate that starts again, classes shown alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from imbtk import EpochOrder, RunContext, expected_rows, order_by_class
from imbtk.errors import PlanError

__all__ = ["balanced_order", "check_window", "half_cosine", "linear"]


def check_window(name: str, does: str, context: RunContext) -> None:
    """Refuse a window that begins with the run.

    Parameters
    ----------
    name : str
        The strategy's.
    does : str
        What it does, for the message: ``"trains a new head"``.
    context : RunContext

    Raises
    ------
    PlanError
        If it does, or there is none.
    """
    if context.window.start == 0:
        raise PlanError(
            f"'{name}' {does} on a backbone that has learnt before, and here it is on from the first epoch, "
            f"when nothing has: write when it begins, {name}@80%- for the last fifth of the run."
        )


def half_cosine(rate: float) -> Callable[[int, int], float]:
    """Return ``(step, steps) -> factor`` on the peak learning rate, that falls from `rate` to 0."""
    return lambda step, steps: 0.5 * rate * (1.0 + math.cos(math.pi * step / steps))


def balanced_order(context: RunContext, size: int | str) -> EpochOrder:
    """Return an order that shows each class alike, and the rows of a class alike, with its class mass."""
    counts = torch.bincount(context.labels, minlength=context.num_classes)
    expected = expected_rows(counts, 0.0, size, whole=float(counts.max()))
    return order_by_class(context.labels, expected, replacement=False)


def linear(head: nn.Module, name: str, origin: str) -> nn.Linear:
    """Return a head that is a linear layer, and nothing beside it.

    Parameters
    ----------
    head : Module
    name : str
        The strategy that wants it, for the message.
    origin : str
        Who made it: ``network.head_origin.text``.

    Raises
    ------
    PlanError
        If it is something else.
    """
    if isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward:
        return head
    raise PlanError(
        f"strategy '{name}' does not know the head '{type(head).__name__}'{origin}: it is for linear heads. Leave it "
        "out, or the strategy that makes this head."
    )
