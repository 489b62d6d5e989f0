"""Precision and memory format of a comparison: chosen once, before the first cell, and kept in its folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from imbtk.comparison.cells import Job, prepare_cell
from imbtk.comparison.config import ComparisonConfig
from imbtk.comparison.grid import GridCell
from imbtk.planning.prepared import PreparedRun
from imbtk.runs.format import SPEED
from imbtk.training.fitting import make_network, own_random_state
from imbtk.training.settling import settled

__all__ = ["kept_speed", "settled_once"]

_NAMES = ("precision", "memory_format")


def settled_once(folder: Path, job: Job, cells: Sequence[GridCell]) -> ComparisonConfig:
    """Return the configuration with what every cell trains with: as the folder says, else tried now and written there.

    Metrics of cells that were trained with different settings would not be comparable, and a trial hangs on the
    machine and on the moment: whoever is first with the folder decides for all shards and for every later command.

    Parameters
    ----------
    folder : Path
        Of the comparison.
    job : Job
    cells : sequence of GridCell
        All of them.
    """
    config, path = job.config, folder / SPEED
    if not path.is_file():
        run = _settled_cell(job, cells)
        found = {name: getattr(run.model.config, name) for name in _NAMES}
        words = "" if run.model.speed is None else run.model.speed.words
        _write_first(path, json.dumps({**found, "words": words}, indent=1, ensure_ascii=False) + "\n")
    return config.model_copy(update=kept_speed(folder))


def kept_speed(folder: Path) -> dict[str, str]:
    """Return precision and memory format of a comparison's cells; nothing where its folder does not say."""
    path = folder / SPEED
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: kept[name] for name in _NAMES if name in kept}


def _write_first(path: Path, text: str) -> None:
    """Write a file, whole, unless another shard was first."""
    own = path.with_name(f"{path.name}.{socket.gethostname()}-{os.getpid()}")
    own.write_text(text, encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        os.link(own, path)
    own.unlink()


def _settled_cell(job: Job, cells: Sequence[GridCell]) -> PreparedRun:
    """Return the first cell's run, settled under the conditions of a cell."""
    threads, before = job.config.threads or 1, torch.get_num_threads()
    try:
        with threadpool_limits(threads), own_random_state():
            torch.set_num_threads(threads)
            run = prepare_cell(job, cells[0])
            return settled(run, make_network(run), len(cells))
    finally:
        torch.set_num_threads(before)
