"""What happens in one step of training, in its order; the loop and the trial of settings both take it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from imbtk.errors import PluginError
from imbtk.models.network import Network
from imbtk.planning.phases import BuiltPhase
from imbtk.training.config import TrainingConfig

__all__ = ["Step", "check_losses", "take_step", "trained_parameters", "weighted_mean"]


class Step(NamedTuple):
    """What came of a step: what was minimised (), the loss of each sample (B,), features (B, D), logits (B, K)."""

    loss: torch.Tensor
    losses: torch.Tensor
    features: torch.Tensor
    logits: torch.Tensor


def take_step(
    network: Network,
    optimizer: torch.optim.Optimizer,
    phase: BuiltPhase,
    x: torch.Tensor,
    target: torch.Tensor,
    rows: torch.Tensor,
    *,
    parameters: Sequence[nn.Parameter],
    weights: torch.Tensor | None,
    config: TrainingConfig,
) -> Step:
    """Take one step of an optimiser down the loss of a batch.

    Parameters
    ----------
    network : Network
        In training mode.
    optimizer : Optimizer
        Its rate is set.
    phase : BuiltPhase
    x : Tensor, shape (B, ...)
        Gathered, augmented, normalised and mixed: see :meth:`imbtk.training.batches.PhaseBatches.load`.
    target : Tensor, shape (B, K)
    rows : Tensor of int64, shape (B,)
    parameters : sequence of Parameter
        What is trained: see :func:`trained_parameters`.
    weights : Tensor, shape (K,), optional
        On the device.
    config : TrainingConfig
    """
    # Forward. Where half precision is asked for, only here: the criterion is given float32, since exponentials of
    # margins and focal powers overflow in anything less.
    if config.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    half = config.precision == "bf16"
    with torch.autocast(x.device.type, torch.bfloat16) if half else contextlib.nullcontext():
        features = network.backbone(x)
        logits = network.classify(features)
    if half:
        features, logits = features.float(), logits.float()

    # One loss for each sample. Criteria that ask for features or rows take them from here, so it is filled first.
    phase.state.features, phase.state.rows = features, rows
    losses = phase.criterion(logits, target)
    check_losses(losses, logits, phase)

    # The reduction is core's: weights have mean 1 over the rows as drawn, so no strategy moves the learning rate.
    loss = weighted_mean(losses, target, weights)

    # Backward, clip, update.
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    if config.clip_norm:
        nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    optimizer.step()
    return Step(loss, losses, features, logits)


def trained_parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return what an optimiser trains, frozen parameters left out."""
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


def weighted_mean(losses: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Return the mean over a batch of weight times loss, for losses (B,), targets (B, K) and weights (K,)."""
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
