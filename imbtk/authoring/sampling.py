"""How often each class is drawn in an epoch, and the drawing itself.

Indices only: an epoch of a million rows is a few arrays of int64, whatever the rows are.
"""

from __future__ import annotations

import re
from typing import Annotated

import torch
from pydantic import BeforeValidator

from imbtk.authoring.context import EpochOrder
from imbtk.authoring.draw import Draw

__all__ = ["EpochSize", "expected_rows", "order_by_class", "shuffled"]

_MULTIPLE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)x")


def _check_size(value: object) -> object:
    rows = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    multiple = _MULTIPLE.fullmatch(value) if isinstance(value, str) else None
    if value == "auto" or rows or (multiple and float(multiple[1]) > 0):
        return value
    raise ValueError("write auto, a number of rows of at least 1, or a multiple of the training rows such as 0.5x")


EpochSize = Annotated[int | str, BeforeValidator(_check_size)]
"""The type of an option for the rows of an epoch: ``"auto"``, a number of rows, or a multiple such as ``"0.5x"``."""


def expected_rows(counts: torch.Tensor, power: float, size: int | str, whole: float) -> torch.Tensor:
    """Return how many rows of each class an epoch shows on average, in proportion to ``n_c^power``.

    Parameters
    ----------
    counts : Tensor of int64, shape (K,)
        Rows per class.
    power : float
        1 shows rows alike, 0 classes alike, 0.5 is in between.
    size : int or str
        Rows in the epoch, as :data:`EpochSize`. ``"auto"`` lets a class of `whole` rows be shown whole.
    whole : float
        Rows of the class that ``"auto"`` shows once; the numbers of the others are rounded.

    Returns
    -------
    Tensor of float64, shape (K,)
        Their sum is whole; 0 for a class without a row.

    Examples
    --------
    >>> counts = torch.tensor([100, 25, 0])
    >>> expected_rows(counts, 0.5, "auto", 100).tolist(), expected_rows(counts, 0.5, 30, 100).tolist()
    ([100.0, 50.0, 0.0], [20.0, 10.0, 0.0])

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", eq. 1.
    """
    shown = torch.where(counts > 0, whole * (counts.double() / whole).pow(power), 0.0)
    if size == "auto":
        return shown.round()
    rows = size if isinstance(size, int) else max(1, round(float(size[:-1]) * int(counts.sum())))
    return shown * (rows / shown.sum())


def order_by_class(labels: torch.Tensor, expected: torch.Tensor, replacement: bool) -> EpochOrder:
    """Return an epoch order that shows `expected` rows of each class, shuffled, with its class mass.

    Parameters
    ----------
    labels : Tensor of int64, shape (n,)
    expected : Tensor of float64, shape (K,)
        Mean number of rows of each class in an epoch, with a whole sum M; 0 for a class without a row.
    replacement : bool
        True draws every row by itself (class, then row). False shows the rows of a class equally often: in one epoch
        no row of a class is shown two times more than another.

    Returns
    -------
    EpochOrder
        M rows in every epoch; its class mass is ``expected / M``, exactly.

    Notes
    -----
    Without replacement a class is shown ⌊expected⌋ or ⌈expected⌉ times, by systematic sampling of the fractions: the
    sum is M in every epoch and the mean over epochs is `expected`, also where M is smaller than the number of classes.
    """
    counts = torch.bincount(labels, minlength=len(expected))
    starts = counts.cumsum(0) - counts
    total = round(float(expected.sum()))
    by_class = torch.argsort(labels, stable=True)
    cumulative = expected.cumsum(0) / expected.sum()
    cumulative[-1] = 1.0

    def draw_with_replacement(epoch: int, draw: Draw) -> torch.Tensor:
        generator = draw.generator()
        unit = torch.rand(2, total, generator=generator, dtype=torch.float64)
        # The right side of a step, so that a class of mass 0 cannot be hit.
        drawn = torch.searchsorted(cumulative, unit[0], right=True)
        return by_class[starts[drawn] + (unit[1] * counts[drawn]).long()]

    def draw_without_replacement(epoch: int, draw: Draw) -> torch.Tensor:
        generator = draw.generator()
        quotas = _round_at_random(expected, total, generator)
        # A shuffle and a stable sort by class: the rows of each class in an order of their own.
        shuffled = torch.randperm(len(labels), generator=generator)
        shuffled = shuffled[torch.argsort(labels[shuffled], stable=True)]
        drawn = torch.repeat_interleave(torch.arange(len(quotas)), quotas)
        place = torch.arange(total) - (quotas.cumsum(0) - quotas)[drawn]
        rows = shuffled[starts[drawn] + place % counts[drawn]]
        return rows[torch.randperm(total, generator=generator)]

    return EpochOrder(draw_with_replacement if replacement else draw_without_replacement, expected / total)


def shuffled(epoch: int, order: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Return partners (M,) for an order (M,): the same rows, in another order. An answer to ``imbtk_partner``."""
    return order[torch.randperm(order.shape[0], generator=draw.generator())]


def _round_at_random(expected: torch.Tensor, total: int, generator: torch.Generator) -> torch.Tensor:
    """Return whole numbers (K,) int64 with sum `total` and mean `expected`, each its floor or its ceiling."""
    # What is whole but for rounding errors stays whole.
    whole = torch.floor(expected + 1e-6)
    edges = (expected - whole).clamp(min=0.0).cumsum(0)
    missing = total - int(whole.sum())
    if missing:
        edges = edges * (missing / edges[-1])
        offset = torch.rand((), generator=generator, dtype=torch.float64)
        steps = torch.floor(edges + offset)
        steps[-1] = missing
        whole = whole + torch.diff(steps, prepend=torch.zeros(1, dtype=torch.float64))
    return whole.long()
