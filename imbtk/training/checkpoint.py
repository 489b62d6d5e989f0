"""The state of a training on disk: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from imbtk.errors import RunFolderError
from imbtk.training.phases import BuiltPhase

__all__ = ["Checkpoint", "load_checkpoint"]

SECONDS_BETWEEN = 60.0
SCHEMA_VERSION = 1
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
        strategies: dict[str, Any] = {}
        for phase in phases:
            for item in phase.planned.items:
                strategies[item.label] = item.strategy.state_dict()
        state = {
            "schema_version": SCHEMA_VERSION,
            "epochs_done": epochs_done,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "strategies": strategies,
            "history": history,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary, last = self.folder / "last.ckpt.tmp", self.folder / "last.ckpt"
        torch.save(state, temporary)
        _seal(temporary)
        if last.exists():
            os.replace(last, self.folder / "previous.ckpt")
        os.replace(temporary, last)
        self._saved = time.monotonic()


def load_checkpoint(folder: Path) -> dict[str, Any]:
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
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
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
