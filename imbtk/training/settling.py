"""What a prepared run trains with, settled before its first step: by a trial where that pays, else by rule."""

from __future__ import annotations

import dataclasses
import math
from itertools import product
from typing import Literal, get_args

import torch

from imbtk.models.network import Network, prefers_channels_last
from imbtk.planning.prepared import PreparedRun, RunModel
from imbtk.training.batches import Batches
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner
from imbtk.training.setup import choose_memory_format, choose_precision, optimizer_for
from imbtk.training.speed import Speed, rounds_worth, try_configs, work

__all__ = ["expected_seconds", "settled", "training_config"]

Precision = Literal["fp32", "bf16"]


def training_config(prepared: PreparedRun, network: Network) -> TrainingConfig:
    """Return how to train; precision and memory format by rule where they are still open."""
    config = prepared.model.config
    return TrainingConfig(
        seed=config.seed,
        schedule=config.schedule,
        warmup=config.warmup,
        milestones=config.milestones,
        fall=config.fall,
        clip_norm=config.clip_norm,
        accumulate=config.accumulate,
        precision=choose_precision(config.precision, prepared.model.device),
        channels_last=choose_memory_format(config.memory_format, network) == "channels-last",
        early_stop=None if config.early_stop == "none" else config.early_stop,
        patience=config.patience,
        # The time is for the run with its inner models, which are trained for as many epochs.
        seconds=60 * config.max_minutes / (1 + len(prepared.inner)) if config.max_minutes else math.inf,
    )


def settled(prepared: PreparedRun, network: Network, trainings: int = 1) -> PreparedRun:
    """Return a run whose configuration says precision and memory format, so that they can be written and repeated.

    Parameters
    ----------
    prepared : PreparedRun
    network : Network
        Of the run, on its device; left as it is, and so are random states and the run's strategies.
    trainings : int
        How many trainings like this one are to come, beside those of inner models.

    Returns
    -------
    PreparedRun
        With ``speed`` if settings were tried: where the precision is ``auto`` and training takes long enough.
    """
    trainings *= len(prepared.trainings) + len(prepared.inner)
    speed = _tried(prepared.trainings[0], network, trainings)
    chosen = training_config(prepared, network) if speed is None else speed.taken
    update = {
        "precision": chosen.precision,
        "memory_format": "channels-last" if chosen.channels_last else "contiguous",
    }

    def at(run: PreparedRun) -> RunModel:
        return dataclasses.replace(run.model, config=run.model.config.model_copy(update=update))

    inner = tuple(dataclasses.replace(run, model=at(run)) for run in prepared.inner)
    members = tuple(
        dataclasses.replace(member, run=dataclasses.replace(member.run, model=at(member.run)))
        for member in prepared.members
    )
    model = dataclasses.replace(at(prepared), speed=speed)
    return dataclasses.replace(prepared, model=model, inner=inner, members=members)


def _tried(prepared: PreparedRun, network: Network, trainings: int) -> Speed | None:
    """Return what came of a trial, None where there is nothing to try or it does not pay."""
    config, phases = prepared.model.config, prepared.plan.phases
    if config.precision != "auto":
        return None
    # The metrics at full precision are those that the others must agree with.
    training = dataclasses.replace(training_config(prepared, network), precision="fp32")
    formats = (False, True) if config.memory_format == "auto" and prefers_channels_last(network) else ()
    candidates = list(product(get_args(Precision), formats or (training.channels_last,)))
    steps = sum(phase.steps * phase.planned.phase.epochs for phase in phases)
    rows = sum(phase.order_length * phase.planned.phase.epochs for phase in phases)
    rounds = rounds_worth(trainings * work(network, rows), trainings * steps, len(candidates))
    if not rounds:
        return None
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, prepared.model.device)

    def optimizer(copied: Learner) -> torch.optim.Optimizer:
        return optimizer_for(copied, config, prepared.model.device)

    try:
        with torch.random.fork_rng(devices=[prepared.model.device] if prepared.model.device.type == "cuda" else []):
            return try_configs(
                network,
                phases[0],
                batches,
                config=training,
                optimizer=optimizer,
                candidates=candidates,
                rounds=rounds,
                total=steps,
            )
    except torch.cuda.OutOfMemoryError:
        return None  # copies for each setting are more than the training itself needs


def expected_seconds(prepared: PreparedRun) -> float | None:
    """Return how long the trainings of a settled run will take, if settings were tried."""
    speed = prepared.model.speed
    if speed is None:
        return None
    epochs = prepared.plan.phases[-1].planned.phase.stop
    steps = sum(phase.steps * phase.planned.phase.epochs for phase in prepared.plan.phases)
    # A forward pass at full precision for each validation row, a third of a step.
    validation = len(prepared.data.split.validation) / prepared.model.config.batch_size * speed.default.seconds / 3
    seconds = (steps * (speed.taken.seconds + speed.loading) + epochs * validation) * (
        len(prepared.trainings) + len(prepared.inner)
    )
    return min(seconds, 60 * (prepared.model.config.max_minutes or math.inf))
