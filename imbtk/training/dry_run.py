"""What strategies build for the batch loop, tried on a made-up batch before anything is trained.

A criterion that gives NaN, an augmentation that changes the shape of images, or a callable that draws from a global
random state is refused here by name, and not in the middle of an epoch or never: the loop itself looks at nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imbtk.authoring.context import RunContext
from imbtk.authoring.contracts import augment_fault, loss_fault, mix_fault
from imbtk.authoring.draw import Draw
from imbtk.authoring.records import Batch, Outputs
from imbtk.errors import StrangersCode
from imbtk.planning.dispatch import BatchState, Dispatcher, bind, random_states_kept, remedy, who, wrong_result
from imbtk.planning.plan import PlanItem, PlannedPhase

__all__ = ["dry_run"]

SAMPLES = 2
_OF_THE_PLAN = {"experts", "network"}
"""What callables may ask for and only a whole plan has: :mod:`imbtk.training.plan_dry_run` tries them."""


def dry_run(planned: PlannedPhase, context: RunContext, width: int | None = None) -> None:
    """Call criterion, adjustments, augmentation and mixing of a phase on copies of its strategies.

    Parameters
    ----------
    planned : PlannedPhase
    context : RunContext
        As the phase's hooks are told.
    width : int, optional
        D, once the network is there: then only criteria that ask for features (B, D) are called, which cannot be
        before.

    Raises
    ------
    PluginError
        If a callable raises, gives a wrong type, shape or dtype, values that are not finite or a loss that nothing can
        be learnt from, or draws from a global random state.
    """
    copies = tuple(item.copy() for item in planned.items)
    dispatcher, state = Dispatcher(copies), BatchState()
    batch = _made_up_batch(context)
    partner = batch.but(inputs=batch.inputs.flip(0), target=batch.target.flip(0), labels=batch.labels.flip(0))
    state.batch = batch.but(partners={item.label: partner for item in dispatcher.answering("imbtk_partner")})
    if width is not None:
        features = torch.randn(SAMPLES, width, generator=torch.Generator().manual_seed(1))
        state.outputs = Outputs(torch.empty(0), features.to(context.device).requires_grad_())
    _losses(dispatcher, context, state)
    if width is None:
        _batch(dispatcher, context, state)


def _target(context: RunContext) -> torch.Tensor:
    present = context.class_counts.nonzero()[:, 0]
    labels = present[torch.arange(SAMPLES) % len(present)]
    return F.one_hot(labels, context.num_classes).float().to(context.device)


def _made_up_batch(context: RunContext) -> Batch:
    target, rows = _target(context), torch.arange(SAMPLES, device=context.device)
    draw = Draw(context.draw.seed, "", context.phase.start, np.arange(SAMPLES), context.device)
    samples = torch.rand(SAMPLES, *context.sample_shape, generator=torch.Generator().manual_seed(0))
    labels = target.argmax(1)
    return Batch(samples.to(context.device), target, rows, labels, epoch=context.phase.start, draw=draw)


def _losses(dispatcher: Dispatcher, context: RunContext, state: BatchState) -> None:
    built: list[tuple[Any, PlanItem, str]] = []

    def keep(function: Any, item: PlanItem, hook: str) -> Any:
        before = built[-1][0].wanted if built else frozenset()
        bound = bind(function, item, hook, state)
        bound.wanted |= before  # type: ignore[attr-defined]
        built.append((bound, item, hook))
        return bound

    answer = dispatcher.choice("imbtk_criterion", context=context)
    criterion = _cross_entropy if answer is None else keep(*answer, "imbtk_criterion")
    dispatcher.chain(
        "imbtk_adjust_criterion",
        "criterion",
        criterion,
        lambda result, item: keep(result, item, "imbtk_adjust_criterion"),
        context=context,
    )
    width = None if state.outputs is None or state.outputs.features is None else state.outputs.features.shape[1]
    if width is not None:
        # A strategy may make the head and look at it in its loss: a run makes the head after the criterion.
        with torch.random.fork_rng(devices=[]):
            dispatcher.choice("imbtk_head", in_features=width, context=context)
    for bound, item, hook in built:
        # Features are made by the network, whose width nobody knows before it is there.
        if ("features" in bound.wanted) == (width is not None) and not bound.wanted & _OF_THE_PLAN:
            _try_loss(bound, item, hook, context)


def _cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, target, reduction="none")


def _try_loss(bound: Any, item: PlanItem, hook: str, context: RunContext) -> None:
    logits = torch.randn(SAMPLES, context.num_classes, generator=torch.Generator().manual_seed(0))
    logits = logits.to(context.device).requires_grad_()
    with random_states_kept(item, f"the callable from {hook}"):
        losses = bound(logits, _target(context))
    _refuse(loss_fault(losses, SAMPLES), item, hook)
    with StrangersCode(who(item), f"the gradient of the callable from {hook}", remedy(item)):
        torch.autograd.backward(losses.sum())


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
        with random_states_kept(item, "the callable from imbtk_augment"):
            made = bound(samples.clone(), target.clone(), at(item))
        _refuse(augment_fault(made, samples), item, "imbtk_augment")
        return bound

    dispatcher.chain("imbtk_augment", "augment", nothing, link, context=context)
    answer = dispatcher.choice("imbtk_mix", context=context)
    if answer is None:
        return
    item = answer[1]
    mix = bind(*answer, "imbtk_mix", state)
    with random_states_kept(item, "the callable from imbtk_mix"):
        mixed = mix(samples.clone(), target.clone(), at(item))
    _refuse(mix_fault(mixed, samples, target), item, "imbtk_mix")


def _refuse(fault: str, item: PlanItem, hook: str) -> None:
    if fault:
        raise wrong_result(item, hook, f"a callable that gives {fault}")
