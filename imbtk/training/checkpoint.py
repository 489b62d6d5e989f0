"""The state of a training on disk: whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from imbtk.errors import RunFolderError
from imbtk.training.phases import BuiltPhase

__all__ = ["Checkpoint", "load_checkpoint"]

SECONDS_BETWEEN = 60.0
SECONDS_BETWEEN_COPIES = 1.0
SCHEMA_VERSION = 1


class Checkpoint:
    """Writes the state of a training into a folder, at most once a minute and at the end.

    Parameters
    ----------
    folder : Path
        ``checkpoint/`` of the run folder. The last two states are kept: ``last.ckpt`` and ``previous.ckpt``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._saved = time.monotonic()
        self._copied = -SECONDS_BETWEEN_COPIES
        self._copy: dict[str, Any] = {}

    def save_if_due(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        phases: Sequence[BuiltPhase],
        epochs_done: int,
        history: list[dict[str, float]],
    ) -> None:
        """Save if a minute has gone since the last time."""
        if time.monotonic() - self._saved >= SECONDS_BETWEEN:
            self.save(network, optimizer, phases, epochs_done, history)

    def save(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        phases: Sequence[BuiltPhase],
        epochs_done: int,
        history: list[dict[str, float]],
    ) -> None:
        """Write the state under a temporary name, then let it take the place of the one before."""
        self._write(_state(network, optimizer, phases, epochs_done, history))

    def copy_if_due(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        phases: Sequence[BuiltPhase],
        epochs_done: int,
        history: list[dict[str, float]],
    ) -> None:
        """Copy the state before an epoch into memory, the first time and then at most once a second.

        What an epoch makes of the state is known to be good only when its losses were looked at, which on a GPU is
        some steps later; and a forward pass that gives NaN may have put it into the statistics of batch norm already.
        """
        if time.monotonic() - self._copied >= SECONDS_BETWEEN_COPIES:
            self._copy = _copied(_state(network, optimizer, phases, epochs_done, history))
            self._copied = time.monotonic()

    def save_copy(self) -> str:
        """Write the state that was copied last; return a sentence that says which it is and where."""
        self._write(self._copy)
        done = self._copy["epochs_done"]
        what = f"after {done} epoch{'s' * (done != 1)}" if done else "before training"
        return f"The last good state is kept in '{self.folder}': the one {what}."

    def _write(self, state: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary, last = self.folder / "last.ckpt.tmp", self.folder / "last.ckpt"
        torch.save(state, temporary)
        if last.exists():
            os.replace(last, self.folder / "previous.ckpt")
        os.replace(temporary, last)
        self._saved = time.monotonic()


def _state(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    phases: Sequence[BuiltPhase],
    epochs_done: int,
    history: list[dict[str, float]],
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "epochs_done": epochs_done,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "strategies": {item.label: item.strategy.state_dict() for phase in phases for item in phase.planned.items},
        "history": history,
    }


def _copied(value: Any) -> Any:
    """Return a state with tensors of its own, on the CPU: a GPU's memory is for training."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_copied, value))
    return value


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Read the newest state that is whole.

    Raises
    ------
    RunFolderError
        If there is none, or it is from a newer version.
    """
    for name in ("last.ckpt", "previous.ckpt"):
        path = folder / name
        if path.exists():
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if state.get("schema_version", 0) > SCHEMA_VERSION:
                raise RunFolderError(f"'{path}' was written by a newer imbtk. Upgrade imbtk.")
            return state
    raise RunFolderError(f"'{folder}' holds no checkpoint.")
