"""Checks of randomness: it hangs on the draw, and on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from imbtk.testing.bench import Bench, benches
from imbtk.testing.dry_run import dry_run
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import BATCH

__all__: list[str] = []

OTHER_SEEDS = (1, 2, 3)


@check("draw-repeats")
def draw_repeats(subject: Subject) -> None:
    """The same draw gives the same result."""
    for bench in benches(subject, ordinary=True):
        first, again = dry_run(bench), dry_run(Bench(subject.strategy, bench.situation))
        different = [hook for hook in first if not same_results(first[hook], again.get(hook))]
        if different:
            raise CheckFailure(
                f"{different[0]} gives another result with the same draw ({bench.situation})",
                "Take every random number from the draw that the hook is given, and never from the clock, a set's "
                "order, or a generator that you seed yourself.",
            )


@check("draw-matters")
def draw_matters(subject: Subject) -> None:
    """Another draw gives another result, where numbers are drawn at all."""
    drew = False
    for bench in benches(subject, ordinary=True):
        first = dry_run(bench)
        others = [dry_run(Bench(subject.strategy, bench.situation, seed)) for seed in OTHER_SEEDS]
        if any(not same_results(first[hook], other.get(hook)) for hook in first for other in others):
            return
        drew = drew or bool(bench.draw.uses)
    if drew:
        raise CheckFailure(
            "it asks the draw for numbers, and gives the same result with another draw",
            "Use the numbers: pass generator=draw.generator() on to torch.randperm, torch.rand and the like.",
        )


@check("draw-by-position", ("imbtk_augment",))
def draw_by_position(subject: Subject) -> None:
    """Half of a batch is changed as it is within the whole batch, so that two processes share a batch."""
    for bench in benches(subject, ordinary=True):
        whole, half = bench.augment(), Bench(subject.strategy, bench.situation).augment()
        if whole is None or half is None:
            continue
        places, middle = np.arange(BATCH), BATCH // 2
        images, target = bench.situation.samples(), bench.situation.target()
        all_of_it = whole(images.clone(), target.clone(), places)
        part = half(images[middle:].clone(), target[middle:].clone(), places[middle:])
        if part.shape != images[middle:].shape or not torch.allclose(all_of_it[middle:], part, atol=1e-5):
            raise CheckFailure(
                f"images 5 to 8 of a batch come out otherwise when they are a batch of their own ({bench.situation})",
                "Draw a row of numbers for each sample, draw.uniform(columns) or draw.integers(high), not from "
                "draw.generator(), and let no image depend on the others.",
            )


def same_results(one: Any, other: Any) -> bool:
    """Return whether two results are equal, bit for bit, NaN included."""
    if isinstance(one, (list, tuple)):
        same = isinstance(other, (list, tuple)) and len(one) == len(other)
        return same and all(same_results(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, torch.Tensor):
        one, other = one.detach().numpy(), other.detach().numpy() if isinstance(other, torch.Tensor) else other
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other)
