"""What strategies build for the batch loop, tried on a made-up batch before anything is trained.

A criterion that gives NaN, or an augmentation that changes the shape of images, is refused here by name, and not in
the middle of an epoch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imbtk.context import RunContext
from imbtk.dispatch import BatchState, Dispatcher, bind, wrong_result
from imbtk.draw import Draw
from imbtk.plan import PlanItem, PlannedPhase

__all__ = ["rehearse"]

SAMPLES = 2


def rehearse(planned: PlannedPhase, context: RunContext) -> None:
    """Call criterion, adjustments, augmentation and mixing of a phase on copies of its strategies.

    Parameters
    ----------
    planned : PlannedPhase
    context : RunContext
        As the phase's hooks are told.

    Raises
    ------
    PluginError
        If a callable raises, or gives a wrong type, shape or dtype, or values that are not finite.
    """
    copies = tuple(dataclasses.replace(item, strategy=item.strategy.clone()) for item in planned.items)
    dispatcher, state = Dispatcher(copies), BatchState()
    state.rows, state.epoch = torch.arange(SAMPLES, device=context.device), planned.phase.start
    _losses(dispatcher, context, state)
    _batch(dispatcher, context, state)


def _target(context: RunContext) -> torch.Tensor:
    present = context.class_counts.nonzero()[:, 0]
    labels = present[torch.arange(SAMPLES) % len(present)]
    return F.one_hot(labels, context.num_classes).float().to(context.device)


def _losses(dispatcher: Dispatcher, context: RunContext, state: BatchState) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(SAMPLES, context.num_classes, generator=generator).to(context.device)
    target = _target(context)

    def tried(criterion: Any, item: PlanItem, hook: str) -> Any:
        bound = bind(criterion, item, hook, state)
        # Features are made by the network, whose width nobody knows yet.
        if "features" not in bound.wanted:  # type: ignore[attr-defined]
            _check(bound(logits, target), (SAMPLES,), item, hook, "a loss per sample, unreduced")
        return bound

    def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, target, reduction="none")

    answer = dispatcher.choice("imbtk_criterion", context=context)
    criterion = cross_entropy if answer is None else tried(*answer, "imbtk_criterion")

    def link(result: Any, item: PlanItem) -> Any:
        wanted: frozenset[str] = getattr(criterion, "wanted", frozenset())
        return result if "features" in wanted else tried(result, item, "imbtk_adjust_criterion")

    dispatcher.chain("imbtk_adjust_criterion", "criterion", criterion, link, context=context)


def _batch(dispatcher: Dispatcher, context: RunContext, state: BatchState) -> None:
    samples = torch.rand(SAMPLES, *context.sample_shape, generator=torch.Generator().manual_seed(0))
    samples, target = samples.to(context.device), _target(context)
    places = np.arange(SAMPLES)

    def at(item: PlanItem) -> Draw:
        draw = Draw(context.draw.seed, item.label, device=context.device)
        return draw.at(context.phase.start, places)

    def nothing(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> torch.Tensor:
        return images

    def link(result: Any, item: PlanItem) -> Any:
        bound = bind(result, item, "imbtk_augment", state)
        made = bound(samples.clone(), target.clone(), at(item))
        _check(made, tuple(samples.shape), item, "imbtk_augment", "images of the shape given")
        return bound

    dispatcher.chain("imbtk_augment", "augment", nothing, link, context=context)
    answer = dispatcher.choice("imbtk_mix", context=context)
    if answer is None:
        return
    item = answer[1]
    mixed = bind(*answer, "imbtk_mix", state)(samples.clone(), target.clone(), at(item))
    if not isinstance(mixed, tuple) or len(mixed) != 2:
        raise wrong_result(item, "imbtk_mix", f"{type(mixed).__name__} instead of (images, target)")
    _check(mixed[0], tuple(samples.shape), item, "imbtk_mix", "images of the shape given")
    _check(mixed[1], tuple(target.shape), item, "imbtk_mix", "targets of the shape given")


def _check(result: Any, shape: tuple[int, ...], item: PlanItem, hook: str, wanted: str) -> None:
    """Refuse what is no floating-point tensor of a shape, or is not finite."""
    call = "a callable that gives "
    if not isinstance(result, torch.Tensor):
        raise wrong_result(item, hook, f"{call}{type(result).__name__} instead of {wanted}, a tensor {shape},")
    if tuple(result.shape) != shape or not result.is_floating_point():
        got = f"{str(result.dtype).removeprefix('torch.')} {tuple(result.shape)}"
        raise wrong_result(item, hook, f"{call}{got} instead of {wanted}, {shape},")
    if not bool(result.isfinite().all()):
        raise wrong_result(item, hook, f"{call}values that are not finite")
