"""The losses of an epoch: summed where they are, looked at when somebody wants to know."""

from __future__ import annotations

import math

import torch

from imbtk.authoring.records import Outputs
from imbtk.errors import TrainingError
from imbtk.models.network import Network

__all__ = ["EpochLosses"]


class EpochLosses:
    """Losses of the steps of one epoch.

    Looking at a number that a GPU is still working out makes the program wait for it, and then the GPU for the
    program. So steps are noted, and looked at some at a time.

    Parameters
    ----------
    epoch : int
        From 0.
    network : Network
        Whose head may be at fault.
    at_once : bool
        Look at each step as it comes, where that costs nothing.
    """

    def __init__(self, epoch: int, network: Network, at_once: bool) -> None:
        self._epoch, self._head = epoch, network.head_origin
        self._at_once = at_once
        self._open: list[tuple[torch.Tensor, ...]] = []
        self._steps, self._samples, self._sum, self._last = 0, 0, 0.0, math.nan

    def add(self, loss: torch.Tensor, rows: torch.Tensor, losses: torch.Tensor, outputs: Outputs) -> None:
        """Note a step.

        Parameters
        ----------
        loss : Tensor, shape ()
            What is minimised.
        rows, losses : Tensor, shape (B,)
        outputs : Outputs
            What the network said.

        Raises
        ------
        TrainingError
            If steps are looked at as they come, and the loss is not finite.
        """
        if self._at_once:
            self._count(loss.item(), _tensors(rows, losses, outputs))
        else:
            # Features and logits are only kept for a head that may be at fault: they take much memory.
            kept = _tensors(rows, losses, outputs) if self._head.maker else (rows, losses)
            self._open.append((loss.detach(), *(tensor.detach() for tensor in kept)))

    def look(self) -> float:
        """Look at the steps since the last look; return the loss of the last one.

        Raises
        ------
        TrainingError
            If a loss is not finite: names epoch, step and rows.
        """
        if self._open:
            values = torch.stack([step[0] for step in self._open]).tolist()
            for value, step in zip(values, self._open, strict=True):
                self._count(value, step[1:])
            self._open.clear()
        return self._last

    def mean(self) -> float:
        """Return the mean loss of a sample, of the steps that were looked at."""
        return self._sum / self._samples

    def _count(self, value: float, step: tuple[torch.Tensor, ...]) -> None:
        self._steps += 1
        if not math.isfinite(value):
            raise TrainingError(self._not_finite(*step[:2]) + self._head_at_fault(*step[2:]))
        # Numbers of Python, step after step: the mean is the same to the bit however many are looked at together.
        size = len(step[0])
        self._sum += value * size
        self._samples += size
        self._last = value

    def _not_finite(self, rows: torch.Tensor, losses: torch.Tensor) -> str:
        bad = rows[~losses.detach().isfinite().cpu()].tolist()
        shown = ", ".join(map(str, bad[:10])) + (f" and {len(bad) - 10} more" if len(bad) > 10 else "")
        where = f"rows {shown}" if bad else "the mean over the batch"
        return (
            f"the loss is not finite in epoch {self._epoch + 1}, step {self._steps}: {where}. Lower --lr, set "
            "--clip-norm, or look at those rows."
        )

    def _head_at_fault(self, features: torch.Tensor | None = None, logits: torch.Tensor | None = None) -> str:
        """Return a sentence about a strategy's head that makes of finite features what is not finite; empty if none."""
        if features is None or logits is None or not self._head.maker:
            return ""
        if not bool(features.isfinite().all()) or bool(logits.isfinite().all()):
            return ""
        return f" Features are finite; the logits from the head{self._head.text} are not."


def _tensors(rows: torch.Tensor, losses: torch.Tensor, outputs: Outputs) -> tuple[torch.Tensor, ...]:
    return (rows, losses) if outputs.features is None else (rows, losses, outputs.features, outputs.logits)
