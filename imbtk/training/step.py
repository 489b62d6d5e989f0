"""What happens in one step of training, in its order; the loop and all that tries a step take it from here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from imbtk.authoring.records import Batch
from imbtk.errors import PluginError
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner

__all__ = ["take_step", "trained_parameters"]


def take_step(
    learner: Learner,
    door: Callable[[Batch], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    parameters: Sequence[nn.Parameter],
    config: TrainingConfig,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take one step of an optimiser down the loss of a batch.

    Parameters
    ----------
    learner : Learner
        In training mode.
    door : callable
        ``batch -> (B,)``: the learner, or what wraps it.
    optimizer : Optimizer
        Its rate is set.
    batch : Batch
        Gathered, augmented, normalised and mixed.
    parameters : sequence of Parameter
        What is trained: see :func:`trained_parameters`.
    config : TrainingConfig

    Returns
    -------
    loss : Tensor, shape ()
        What was minimised, at the weights before the step.
    losses : Tensor, shape (B,)
    """
    first: tuple[torch.Tensor, torch.Tensor] | None = None

    def closure() -> torch.Tensor:
        """Set the gradients at the weights as they are; return the loss."""
        nonlocal first
        optimizer.zero_grad(set_to_none=True)
        if first is not None:
            # A second look within a step, at other weights, leaves no trace: in no batch norm and in no count.
            with learner.untouched():
                loss, _ = _gradients(door, batch, config.accumulate)
        else:
            first = _gradients(door, batch, config.accumulate)
            loss = first[0]
        if config.clip_norm:
            nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        return loss

    # The optimiser's own step calls the closure once; a strategy's may look again elsewhere, and average afterwards.
    learner.step(optimizer, closure)
    if first is None:
        raise PluginError("a step of the plan never called its closure: nothing is learnt (docs/hooks/step.md).")
    return first


def _gradients(door: Callable[[Batch], torch.Tensor], batch: Batch, parts: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Go forward and backward; return the loss () and that of each sample (B,)."""
    if parts == 1:
        # Forward, criterion, class weights, objective: one loss for each sample. The mean is core's, so that no
        # strategy moves the learning rate.
        losses = door(batch)
        loss = losses.mean()
        torch.autograd.backward(loss)
        return loss, losses
    found, size = [], batch.rows.shape[0]
    for part in batch.parts(parts):
        losses = door(part)
        torch.autograd.backward(losses.sum() / size)
        found.append(losses.detach())
    losses = torch.cat(found)
    return losses.mean(), losses


def trained_parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return what an optimiser trains, frozen parameters left out."""
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
