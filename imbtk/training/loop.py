"""The training loop: hooks were called when the phases were built, here plain callables run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from imbtk.authoring.draw import Draw
from imbtk.errors import TrainingError
from imbtk.models.network import Network
from imbtk.planning.phases import BuiltPhase
from imbtk.training.batches import Batches, PhaseBatches
from imbtk.training.checkpoint import Checkpoint, training_state
from imbtk.training.config import EpochRecord, TrainingConfig
from imbtk.training.losses import EpochLosses
from imbtk.training.schedule import Schedule
from imbtk.training.step import take_step, trained_parameters
from imbtk.training.validation import validate

__all__ = [
    "network_seed",
    "train",
]


SECONDS_BETWEEN_LOOKS = 0.1


@dataclass
class _Progress:
    """Where training stands, and what it found: what a checkpoint holds besides weights."""

    history: list[EpochRecord] = field(default_factory=list)
    step: int = 0
    best_epoch: int | None = None
    best_value: float = -math.inf
    best_state: dict[str, torch.Tensor] | None = None


def network_seed(seed: int, epoch: int) -> int:
    """Return the seed of the network's own randomness (dropout) in an epoch, which hangs on nothing else."""
    return Draw(seed, "network", epoch).key & 0x7FFFFFFF


def train(
    network: Network,
    optimizer: torch.optim.Optimizer,
    phases: Sequence[BuiltPhase],
    batches: Batches,
    validation: tuple[torch.Tensor, torch.Tensor],
    config: TrainingConfig,
    checkpoint: Checkpoint | None,
    on_epoch: Callable[[int, EpochRecord], None] = lambda epoch, record: None,
    on_step: Callable[[int, int, float], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[EpochRecord]:
    """Train a network through all phases, in place.

    Parameters
    ----------
    network : Network
        On the device.
    optimizer : Optimizer
        Its groups' learning rates are the peaks.
    phases : sequence of BuiltPhase
    batches : Batches
    validation : tuple of Tensor
        Rows (n,) of the data set and their labels (n,); n may be 0.
    config : TrainingConfig
    checkpoint : Checkpoint, optional
        Where the state goes.
    on_epoch : callable
        Called with (epoch, record) after each epoch.
    on_step : callable, optional
        Called with (step within the run, total steps, loss) at most ten times a second.
    clock : callable
        Seconds.

    Returns
    -------
    list of dict
        One record for each epoch. If the time was over before the last one, ``out_of_time`` is 1 in the one it ended
        with.

    Raises
    ------
    TrainingError
        If a loss is not finite: names epoch, step and rows; the last good state is kept in the checkpoint.
    """
    progress = _Progress()
    state = partial(training_state, network, optimizer, phases, progress.history)
    total = sum(phase.steps * phase.planned.phase.epochs for phase in phases)
    schedule = Schedule(optimizer, total, config.schedule, config.warmup)
    started = clock()
    for phase, epoch in _epochs(phases, config.most_epochs):
        stretch, began = phase.planned.phase, clock()
        if epoch == stretch.start:
            phase_batches = batches.phase(phase)
        # Global, since dropout knows nothing else; anew for each epoch, so that what an epoch draws hangs on the epoch
        # alone: a resumed run, or one with other strategies before, draws the same.
        torch.manual_seed(network_seed(config.seed, epoch))
        if checkpoint is not None:
            checkpoint.copy_if_due(state)
        try:
            loss = _train_epoch(
                network,
                optimizer,
                phase_batches,
                epoch=epoch,
                config=config,
                schedule=schedule,
                step=progress.step,
                on_step=on_step,
                clock=clock,
            )
        except TrainingError as error:
            if checkpoint is None:
                raise
            raise TrainingError(f"{error} {checkpoint.save_copy()}") from None
        progress.step += phase.steps
        seconds = clock() - began
        record: EpochRecord = {
            "epoch": epoch,
            "phase": stretch.index,
            "lr": float(optimizer.param_groups[0]["lr"]),
            "seconds": seconds,
            "samples_per_second": phase.order_length / seconds,
            "train_loss": loss,
            **validate(network, batches, validation, config, phase.ledger.believed),
        }
        progress.history.append(record)
        on_epoch(epoch, record)
        if checkpoint is not None:
            checkpoint.save_if_due(state)
        if phase is phases[-1] and config.early_stop and _keep_best(network, progress, epoch, config):
            break
        now = clock()
        # What comes next takes as long as what came last: it is begun only if it ends in time.
        if now - started + (now - began) > config.seconds and epoch + 1 < phases[-1].planned.phase.stop:
            for earlier in progress.history:
                earlier["out_of_time"] = float(earlier is record)
            break
    if progress.best_state is not None:
        network.load_state_dict(progress.best_state)
    if checkpoint is not None:
        checkpoint.save(state)
    return progress.history


def _epochs(phases: Sequence[BuiltPhase], most: int | None) -> list[tuple[BuiltPhase, int]]:
    """Return the epochs of all phases, each with its own, up to `most`."""
    every = [(phase, epoch) for phase in phases for epoch in range(phase.planned.phase.start, phase.planned.phase.stop)]
    return every[:most]


def _train_epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    phase_batches: PhaseBatches,
    epoch: int,
    config: TrainingConfig,
    schedule: Schedule,
    step: int,
    on_step: Callable[[int, int, float], None] | None,
    clock: Callable[[], float],
) -> float:
    """Run one epoch; return its mean training loss."""
    network.train()
    phase = phase_batches.phase
    device, parameters = phase_batches.batches.device, trained_parameters(optimizer)
    weights = None if phase.weights is None else phase.weights.to(device)
    phase.state.epoch = epoch
    seen, first, told = EpochLosses(epoch, network, looking_is_free(device)), 0, clock()
    for rows, labels, places in phase_batches.epoch(epoch):
        # Rows to a batch: gather, cast, augment, normalise, mix. Random numbers hang on a sample's place in the epoch's
        # order, `first` on, and not on the batch it is in.
        x, target = phase_batches.load(labels, places, epoch, first, config.seed)
        schedule.set(step)
        taken = take_step(
            network,
            optimizer,
            phase,
            x,
            target,
            rows,
            parameters=parameters,
            weights=weights,
            config=config,
        )
        seen.add(taken.loss, rows, taken.losses, taken.features, taken.logits)
        step += 1
        first += len(labels)
        if clock() - told > SECONDS_BETWEEN_LOOKS:
            value, told = seen.look(), clock()
            if on_step is not None:
                on_step(step, schedule.total, value)
    seen.look()
    return seen.mean()


def looking_is_free(device: torch.device) -> bool:
    """Return whether a number can be looked at without waiting for it."""
    return device.type == "cpu"


def _keep_best(network: Network, progress: _Progress, epoch: int, config: TrainingConfig) -> bool:
    """Remember the best epoch of the last phase; return whether patience is at its end."""
    metric = config.early_stop or ""
    value = progress.history[-1][f"validation_{metric}"]
    score = -value if metric.endswith("loss") else value  # of losses the smallest is the best
    if score > progress.best_value:
        progress.best_value, progress.best_epoch = score, epoch
        progress.best_state = {k: v.detach().clone() for k, v in network.state_dict().items()}
    for record in progress.history:
        record["kept"] = float(record["epoch"] == progress.best_epoch)
    return config.patience is not None and epoch - (progress.best_epoch or 0) >= config.patience
