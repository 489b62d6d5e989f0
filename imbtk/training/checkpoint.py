"""The state of a training on disk: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from imbtk.errors import RunFolderError
from imbtk.files import replacing
from imbtk.planning.phases import BuiltPhase
from imbtk.training.config import Progress

__all__ = ["Checkpoint", "load_checkpoint", "load_strategies", "restore", "strategies_state", "training_state"]

State = dict[str, Any]

SECONDS_BETWEEN = 60.0
SECONDS_BETWEEN_COPIES = 1.0
SCHEMA_VERSION = 2
_SEAL, _DIGEST = b"imbtk sha256:", "sha256"
"""Ends each file, with the digest of all before it: torch reads a file with flipped bits without a word."""


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
        self._copy: State = {}

    def save_if_due(self, state: Callable[[], State]) -> None:
        """Save if a minute has gone since the last time."""
        if time.monotonic() - self._saved >= SECONDS_BETWEEN:
            self.save(state)

    def save(self, state: Callable[[], State]) -> None:
        """Write the state under a temporary name, then let it take the place of the one before."""
        self._write(state())

    def copy_if_due(self, state: Callable[[], State]) -> None:
        """Copy the state before an epoch into memory, the first time and then at most once a second.

        What an epoch makes of the state is known to be good only when its losses were looked at, which on a GPU is
        some steps later; and a forward pass that gives NaN may have put it into the statistics of batch norm already.
        """
        if time.monotonic() - self._copied >= SECONDS_BETWEEN_COPIES:
            self._copy = _copied(state())
            self._copied = time.monotonic()

    def save_copy(self) -> str:
        """Write the state that was copied last; return a sentence that says which it is and where."""
        self._write(self._copy)
        done = self._copy["epochs_done"]
        what = f"after {done} epoch{'s' * (done != 1)}" if done else "before training"
        return f"The last good state is kept in '{self.folder}': the one {what}."

    def _write(self, state: State) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        last = self.folder / "last.ckpt"
        with replacing(last) as temporary:
            torch.save(state, temporary)
            _seal(temporary)
            if last.exists():
                os.replace(last, self.folder / "previous.ckpt")
        self._saved = time.monotonic()


def training_state(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, phases: Sequence[BuiltPhase], progress: Progress
) -> State:
    """Return what a checkpoint holds of a training after the epochs of its history."""
    return {
        "schema_version": SCHEMA_VERSION,
        "epochs_done": len(progress.history),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "strategies": strategies_state(phases),
        "history": progress.history,
        "best": {"epoch": progress.best_epoch, "value": progress.best_value, "weights": progress.best},
    }


def restore(
    state: Mapping[str, Any],
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    phases: Sequence[BuiltPhase],
    progress: Progress,
) -> None:
    """Put a training where a checkpoint left it; network, optimiser and strategies have the parts that they had then.

    Raises
    ------
    RunFolderError
        If the state is of another training.
    """
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise RunFolderError(f"the checkpoint is of another training: {error}") from None
    load_strategies(state["strategies"], phases)
    progress.history[:] = [dict(record) for record in state["history"]]
    best = state["best"]
    progress.best_epoch, progress.best_value, progress.best = best["epoch"], best["value"], best["weights"]
    # Epochs of a phase have equally many steps, whichever phase it is.
    steps = {phase.planned.phase.index: phase.steps for phase in phases}
    progress.step = sum(steps[int(record["phase"])] for record in progress.history)


def strategies_state(phases: Sequence[BuiltPhase]) -> State:
    """Return what the strategies have fitted, by their labels."""
    return {item.label: item.strategy.state_dict() for phase in phases for item in phase.planned.items}


def load_strategies(states: Mapping[str, Any], phases: Sequence[BuiltPhase]) -> None:
    """Give strategies back what they had fitted."""
    for label, strategy in {i.label: i.strategy for phase in phases for i in phase.planned.items}.items():
        strategy.load_state_dict(states[label])


def _copied(value: Any) -> Any:
    """Return a state with tensors of its own, on the CPU: a GPU's memory is for training."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_copied, value))
    return value


def load_checkpoint(folder: Path) -> State:
    """Read the newest state that is whole; where that is not the last one, a warning says so.

    Raises
    ------
    RunFolderError
        If there is none, or it is from a newer version.
    """
    there = [path for name in ("last.ckpt", "previous.ckpt") if (path := folder / name).is_file()]
    damaged: list[str] = []
    for path in there:
        if not _is_whole(path):
            damaged.append(f"'{path}' is damaged: it is cut off or bytes in it changed.")
            continue
        state: State = torch.load(path, map_location="cpu", weights_only=True)
        if state.get("schema_version", 0) > SCHEMA_VERSION:
            raise RunFolderError(f"'{path}' was written by a newer imbtk. Upgrade imbtk.")
        if damaged:
            done = state["epochs_done"]
            warnings.warn(f"{damaged[0]} The state before it is used, after {done} epochs: '{path}'.", stacklevel=2)
        return state
    if damaged:
        raise RunFolderError(f"'{folder}' holds no checkpoint that is whole. {' '.join(damaged)}")
    raise RunFolderError(f"'{folder}' holds no checkpoint.")


def _seal(path: Path) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, _DIGEST).digest()
    with path.open("ab") as file:
        file.write(_SEAL + digest)


def _is_whole(path: Path) -> bool:
    length = len(_SEAL) + hashlib.new(_DIGEST).digest_size
    found, left = hashlib.new(_DIGEST), path.stat().st_size - length
    with path.open("rb") as file:
        while left > 0 and (part := file.read(min(left, 1 << 20))):
            found.update(part)
            left -= len(part)
        return file.read() == _SEAL + found.digest()
