"""Checks of the links of a chain: each makes its result from what it was handed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from imbtk.planning.phases import cross_entropy
from imbtk.testing.bench import benches
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import BATCH

__all__: list[str] = []


@check("augment-handed-on", ("imbtk_augment",))
def augment_handed_on(subject: Subject) -> None:
    """The augment that is returned calls the one it was handed, and uses its images."""
    for bench in benches(subject, ordinary=True):
        whole, again = bench.augment(), bench.augment(lambda images, target, draw: 1 - images)
        if whole is None or again is None:
            continue
        images, target, places = bench.situation.samples(), bench.situation.target(), np.arange(BATCH)
        if torch.equal(whole(images.clone(), target, places), again(images.clone(), target, places)):
            raise CheckFailure(
                f"imbtk_augment makes the same images whatever augment it was handed ({bench.situation})",
                "Another strategy's augmentation is lost: begin with images = augment(images, target, draw).",
            )


@check("criterion-handed-on", ("imbtk_adjust_criterion",))
def criterion_handed_on(subject: Subject) -> None:
    """The adjusted criterion calls the one it was handed, and uses its loss."""
    if subject.answers("imbtk_criterion"):
        return  # it chooses a criterion as well: that is what it is handed
    for bench in benches(subject, ordinary=True):
        plain, other = bench.criterion(), bench.criterion(_squared)
        if plain is None or other is None:
            continue
        logits, target = bench.situation.logits(), bench.situation.target()
        if torch.equal(plain(logits, target), other(logits, target)):
            raise CheckFailure(
                f"imbtk_adjust_criterion makes the same loss whatever criterion it was handed ({bench.situation})",
                "Another strategy's criterion is lost: return a function that calls criterion(logits, target), or "
                "choose the criterion in imbtk_criterion.",
            )


def _squared(logits: torch.Tensor, target: torch.Tensor) -> Any:
    return 1 + cross_entropy(logits, target) ** 2
