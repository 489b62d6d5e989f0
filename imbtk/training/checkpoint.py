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
        if last.exists():
            os.replace(last, self.folder / "previous.ckpt")
        os.replace(temporary, last)
        self._saved = time.monotonic()


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
