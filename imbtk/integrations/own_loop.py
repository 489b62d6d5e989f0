"""Strategies in a training loop of one's own: checked and combined as in a run, handed out in pieces.

What a loop calls, and when::

    composition = imbtk.compose(["class-weights:scheme=sqrt", "focal-loss"], labels=y, epochs=30)
    for epoch in range(30):
        composition.on_epoch(epoch)                      # windows, order, randomness
        for inputs, target in composition.batches(x, y, epoch):
            loss = composition.criterion(network(inputs), target)
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from imbtk.authoring.context import RunContext
from imbtk.authoring.hookspecs import HOOKS
from imbtk.data.domain import Domain
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import OptionError, PlanError
from imbtk.integrations.composition import Composition
from imbtk.integrations.given_rows import all_rows, class_numbers, given_dataset, given_rows
from imbtk.pipeline.prepare import training_context
from imbtk.planning.config import make_config
from imbtk.planning.dispatch import Dispatcher
from imbtk.planning.plan import Plan, PlanItem, StrategyLike
from imbtk.planning.reading import BUILT_IN_PLUGINS
from imbtk.training.build import build_phases
from imbtk.training.fitting import needs_rows
from imbtk.training.iterator import Share

__all__ = ["compose"]

_LEFT_TO_THE_LOOP = {
    "imbtk_split": "split before, and give compose the training rows only",
    "imbtk_members": "train several models, and average their logits",
    "imbtk_refit": "refit the head after training",
    "imbtk_views": "average logits over several looks at an image after training",
    "imbtk_calibrate": "fit probabilities on validation rows after training",
    "imbtk_decide": "choose a decision rule on validation rows after training",
    "imbtk_run_start": "say that training begins",
    "imbtk_epoch_end": "say how an epoch went",
    "imbtk_run_end": "say how training ended",
}
"""Hooks that a loop of one's own does not reach, and what it does itself."""


def compose(
    strategies: Sequence[StrategyLike],
    labels: Any,
    groups: Any = None,
    *,
    epochs: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
    kind: Literal["images", "table"] | None = None,
    sample_shape: Sequence[int] | None = None,
    x: Any = None,
    domain: Domain = "photo",
    positive: str | None = None,
    device: str | torch.device = "cpu",
    allow_overcorrection: bool = False,
    plugins: Sequence[str | Path] = (),
    rank: int | None = None,
    world_size: int | None = None,
) -> Composition:
    """Check and combine strategies exactly as ``imbtk run`` does, and return the pieces.

    Parameters
    ----------
    strategies : sequence of str or Strategy
        As for :func:`imbtk.run`: ``["class-weights:scheme=sqrt@80%-", FocalLoss(gamma=1.0)]``.
    labels : array or sequence, shape (n,)
        Classes of the *training rows*, of any type: split first, and give what is trained on.
    groups : array or sequence, shape (n,), optional
        Group (patient) of each of them.
    epochs : int, optional
        Of the whole training; by default as many as show about 100,000 samples, between 5 and 100.
    batch_size : int
        Samples in a batch, of all processes together.
    seed : int
    class_names : sequence of str, optional
        Names of all classes; needed only where one has no training row.
    kind : "images" or "table", optional
        What a sample is; unless given, told from `x` or `sample_shape`, else images.
    sample_shape : sequence of int, optional
        (C, H, W) or (D,); unless given, that of `x`. Needed for strategies that augment or mix.
    x : array or Tensor, shape (n, ...), optional
        The training rows, for strategies that look at features (``resample:method=SMOTE``). Images are uint8 or floats
        in [0, 1], and read as :func:`imbtk.run` reads them, but with any number of channels.
    domain : "digits", "photo" or "histology"
        What images show, for presets of augmentation.
    positive : str, optional
        The positive class of binary data; the rarer one unless given.
    device : str or torch.device
        Where batches, targets and the head go.
    allow_overcorrection : bool
        Warn of a plan that corrects the class frequencies twice, instead of refusing it.
    plugins : sequence of path
        Python files that offer strategies.
    rank, world_size : int, optional
        Those of ``torch.distributed`` if it is initialised when this is called, else 0 of 1.

    Returns
    -------
    Composition
        At epoch 0.

    Raises
    ------
    ImbtkError
        Whatever ``imbtk run`` refuses; and a strategy that acts only where a loop of one's own is not reached.

    Warns
    -----
    UserWarning
        For a plan that a run would warn of, and for what a strategy does that a loop of one's own has to do itself.
    """
    config = make_config(
        {
            "epochs": epochs, "batch_size": batch_size, "seed": seed, "device": str(device), "positive": positive,
            "allow_overcorrection": allow_overcorrection, "plugins": tuple(map(str, plugins)),
        }
    )  # fmt: skip
    plan = Plan.build(strategies, Catalogue(config.plugins, BUILT_IN_PLUGINS))
    _refuse_what_is_left(plan)
    numbers, names = class_numbers(labels, class_names)
    dataset = given_dataset(numbers, names, groups, x=x, kind=kind, sample_shape=sample_shape, domain=domain)
    if not dataset.sample_shape:
        _refuse_unknown_shape(plan)
    context = training_context(config, dataset, all_rows(len(dataset)))
    context = dataclasses.replace(context, validation_counts=None)
    phases, said = build_phases(plan, given_rows(dataset, x is not None), context, config.allow_overcorrection)
    for line in (*_what_is_left(plan, phases[-1].context), *said):
        warnings.warn(line, stacklevel=2)
    share = _share(config.batch_size, rank, world_size)
    return Composition(plan, phases, dataset, x is not None, share, lambda y: class_numbers(y, class_names)[0])


def _refuse_unknown_shape(plan: Plan) -> None:
    """Refuse strategies that change samples whose shape is not known: they are tried before training.

    Raises
    ------
    OptionError
        If there is such a strategy.
    """
    for item in plan.items:
        if {hook.name for hook in item.strategy.hooks()} & {"imbtk_augment", "imbtk_mix"}:
            raise OptionError(
                f"'{item}' changes samples, and their shape is not known: give compose sample_shape=(channels, height, "
                "width), or x=."
            )


def _stages_left(item: PlanItem) -> tuple[str, str]:
    """Return the stages of a strategy that compose does not reach, and what a loop does itself; empty if none."""
    left = [hook.name for hook in item.strategy.hooks() if hook.name in _LEFT_TO_THE_LOOP]
    stages = " and ".join(f"the {HOOKS[hook].stage}" for hook in left)
    return stages, "; ".join(_LEFT_TO_THE_LOOP[hook] for hook in left)


def _refuse_what_is_left(plan: Plan) -> None:
    """Refuse strategies of which nothing would be left.

    Raises
    ------
    PlanError
        If a strategy acts only where compose does not reach.
    """
    for item in plan.items:
        if all(hook.name in _LEFT_TO_THE_LOOP for hook in item.strategy.hooks()):
            stages, instead = _stages_left(item)
            raise PlanError(
                f"'{item}' acts on {stages} only, which is your own in a loop of your own: {instead}. Leave it out of "
                "compose, or train with imbtk.run."
            )


def _what_is_left(plan: Plan, context: RunContext) -> list[str]:
    """Return what the plan's strategies would do in a run and do not do here."""
    notes = []
    for item in plan.items:
        left = {hook.name for hook in item.strategy.hooks()} & set(_LEFT_TO_THE_LOOP)
        if left == {"imbtk_decide"} and not needs_rows(item, "imbtk_decide"):
            # Options may switch it off: a loss-adjusting strategy that could decide instead, say.
            left = left if Dispatcher((item,)).choice("imbtk_decide", context=context) else set()
        if left:
            stages, instead = _stages_left(item)
            notes.append(f"'{item}' also acts on {stages}, which compose leaves to your loop: {instead}.")
    return notes


def _share(batch_size: int, rank: int | None, world_size: int | None) -> Share:
    if (rank is None) != (world_size is None):
        raise OptionError("give both 'rank' and 'world_size', or neither.")
    if rank is None or world_size is None:
        ready = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank, world_size = (torch.distributed.get_rank(), torch.distributed.get_world_size()) if ready else (0, 1)
    if not 0 <= rank < world_size:
        raise OptionError(f"option 'rank' (given: {rank}): write 0 to {world_size - 1}, below 'world_size'.")
    if batch_size % world_size:
        raise OptionError(
            f"option 'batch_size' (given: {batch_size}) is that of all {world_size} processes together: write a "
            f"multiple of {world_size}."
        )
    return Share(rank, world_size, batch_size // world_size)
