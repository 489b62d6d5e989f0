"""The training loop: hooks were called when the phases were built, here plain callables run."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from imbtk.authoring.draw import Draw
from imbtk.errors import PluginError, TrainingError
from imbtk.models.network import Network
from imbtk.planning.phases import BuiltPhase
from imbtk.training.batches import Batches, PhaseBatches
from imbtk.training.checkpoint import Checkpoint
from imbtk.training.losses import EpochLosses
from imbtk.training.settings import EpochRecord, TrainingSettings
from imbtk.training.validation import validate

__all__ = [
    "check_losses",
    "learning_rate_factor",
    "network_seed",
    "train",
    "weighted_mean",
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


def learning_rate_factor(step: int, total: int, schedule: str, warmup: float) -> float:
    """Return the factor on the peak learning rate at `step` of `total`.

    A linear rise over the first `warmup` of the steps, then a half cosine to zero (Loshchilov & Hutter 2017, equation
    5, one cycle), or steps of 1/10 at 60 % and 80 %, or nothing.
    """
    rising = max(1, round(warmup * total)) if warmup else 0
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, total - rising)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "step":
        return 1.0 if done < 0.6 else 0.1 if done < 0.8 else 0.01
    return 1.0


def network_seed(seed: int, epoch: int) -> int:
    """Return the seed of the network's own randomness (dropout) in an epoch, which hangs on nothing else."""
    return Draw(seed, "network", epoch).key & 0x7FFFFFFF


def train(
    network: Network,
    optimizer: torch.optim.Optimizer,
    phases: Sequence[BuiltPhase],
    batches: Batches,
    validation: tuple[torch.Tensor, torch.Tensor],
    settings: TrainingSettings,
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
    settings : TrainingSettings
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
    total = sum(phase.steps * phase.planned.phase.epochs for phase in phases)
    peaks = [float(group["lr"]) for group in optimizer.param_groups]

    def set_rate(step: int) -> None:
        factor = learning_rate_factor(step, total, settings.schedule, settings.warmup)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor

    started = clock()
    for phase, epoch in _epochs(phases, settings.most_epochs):
        stretch, began = phase.planned.phase, clock()
        if epoch == stretch.start:
            phase_batches = batches.phase(phase)
        torch.manual_seed(network_seed(settings.seed, epoch))
        if checkpoint is not None:
            checkpoint.copy_if_due(network, optimizer, phases, epoch, progress.history)
        try:
            loss = _train_epoch(
                network,
                optimizer,
                phase_batches,
                epoch=epoch,
                settings=settings,
                set_rate=set_rate,
                step=progress.step,
                total=total,
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
            **validate(network, batches, validation, settings, phase.ledger.believed),
        }
        progress.history.append(record)
        on_epoch(epoch, record)
        if checkpoint is not None:
            checkpoint.save_if_due(network, optimizer, phases, epoch + 1, progress.history)
        if phase is phases[-1] and settings.early_stop and _keep_best(network, progress, epoch, settings):
            break
        now = clock()
        # What comes next takes as long as what came last: it is begun only if it ends in time.
        if now - started + (now - began) > settings.seconds and epoch + 1 < phases[-1].planned.phase.stop:
            for earlier in progress.history:
                earlier["out_of_time"] = float(earlier is record)
            break
    if progress.best_state is not None:
        network.load_state_dict(progress.best_state)
    if checkpoint is not None:
        checkpoint.save(network, optimizer, phases, len(progress.history), progress.history)
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
    settings: TrainingSettings,
    set_rate: Callable[[int], None],
    step: int,
    total: int,
    on_step: Callable[[int, int, float], None] | None,
    clock: Callable[[], float],
) -> float:
    """Run one epoch; return its mean training loss."""
    network.train()
    phase = phase_batches.phase
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    device = phase_batches.batches.device
    weights = None if phase.weights is None else phase.weights.to(device)
    phase.state.epoch = epoch
    seen, first, told = EpochLosses(epoch, network, looking_is_free(device)), 0, clock()
    for rows, labels, places in phase_batches.epoch(epoch):
        x, target = phase_batches.load(labels, places, epoch, first, settings.seed)
        set_rate(step)
        losses, features, logits = batch_losses(network, phase, x, target, rows, settings)
        if first == 0:
            check_losses(losses, logits, phase)
        loss = weighted_mean(losses, target, weights)
        seen.add(loss, rows, losses, features, logits)
        update(optimizer, loss, parameters, settings)
        step += 1
        first += len(labels)
        if clock() - told > SECONDS_BETWEEN_LOOKS:
            value, told = seen.look(), clock()
            if on_step is not None:
                on_step(step, total, value)
    seen.look()
    return seen.mean()


def looking_is_free(device: torch.device) -> bool:
    """Return whether a number can be looked at without waiting for it."""
    return device.type == "cpu"


def batch_losses(
    network: Network,
    phase: BuiltPhase,
    x: torch.Tensor,
    target: torch.Tensor,
    rows: torch.Tensor,
    settings: TrainingSettings,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the loss of each sample (B,), features (B, D) and logits (B, K), the last two as float32."""
    if settings.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    half = settings.precision == "bf16"
    with torch.autocast(x.device.type, torch.bfloat16) if half else contextlib.nullcontext():
        features = network.backbone(x)
        logits = network.classify(features)
    if half:
        features, logits = features.float(), logits.float()
    phase.state.features, phase.state.rows = features, rows
    return phase.criterion(logits, target), features, logits


def update(
    optimizer: torch.optim.Optimizer,
    loss: torch.Tensor,
    parameters: Sequence[nn.Parameter],
    settings: TrainingSettings,
) -> None:
    """Take one step of an optimiser down the gradient of a loss."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    if settings.clip_norm:
        nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
    optimizer.step()


def weighted_mean(losses: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Return the mean over a batch of weight times loss, for losses (B,), targets (B, K) and weights (K,).

    The reduction is core's: weights have mean 1 over the rows as drawn, so no strategy moves the learning rate.
    """
    return losses.mean() if weights is None else (losses * (target @ weights)).mean()


def check_losses(losses: torch.Tensor, logits: torch.Tensor, phase: BuiltPhase) -> None:
    """Refuse a criterion that reduces or reshapes."""
    if not isinstance(losses, torch.Tensor) or losses.shape != logits.shape[:1]:
        shape = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        names = ", ".join(f"'{item.strategy.name}' ({item.provider})" for item in phase.planned.items)
        raise PluginError(
            f"the criterion that the plan makes ({names}) returned {shape} for a batch of {len(logits)}: it must give "
            f"one loss for each sample, shape ({len(logits)},), unreduced."
        )


def _keep_best(network: Network, progress: _Progress, epoch: int, settings: TrainingSettings) -> bool:
    """Remember the best epoch of the last phase; return whether patience is at its end."""
    metric = settings.early_stop or ""
    value = progress.history[-1][f"validation_{metric}"]
    score = -value if metric.endswith("loss") else value
    if score > progress.best_value:
        progress.best_value, progress.best_epoch = score, epoch
        progress.best_state = {k: v.detach().clone() for k, v in network.state_dict().items()}
    for record in progress.history:
        record["kept"] = float(record["epoch"] == progress.best_epoch)
    return settings.patience is not None and epoch - (progress.best_epoch or 0) >= settings.patience
