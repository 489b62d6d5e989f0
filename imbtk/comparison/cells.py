"""One cell of the grid: a run in a folder of its own, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from imbtk.authoring.plugin_files import PluginFile
from imbtk.comparison.config import ComparisonConfig
from imbtk.comparison.grid import GridCell
from imbtk.comparison.splits import make_split, with_split
from imbtk.console.progress import RunProgress
from imbtk.data.dataset import Dataset
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import ImbtkError
from imbtk.files import write_json
from imbtk.pipeline.prepare import prepare
from imbtk.pipeline.run import run_for_comparison
from imbtk.planning.config import RunConfig
from imbtk.planning.prepared import PreparedRun
from imbtk.planning.reading import make_catalogue, read_data
from imbtk.runs.format import METRICS
from imbtk.training.memory import keep_memory

__all__ = [
    "CELLS",
    "CellResult",
    "Job",
    "cell_config",
    "cell_folder",
    "failure_of",
    "is_done",
    "prepare_cell",
    "run_cell",
]

CELLS = "cells"
FAILURE = "failure.json"


@dataclass(frozen=True)
class Job:
    """What a worker needs to run cells.

    Attributes
    ----------
    config : ComparisonConfig
        Resolved.
    folder : str
        Of the comparison.
    data : Dataset, optional
        Where the data were handed over as arrays; otherwise each worker opens the decoded store of ``config.data``.
    files : tuple of PluginFile
        What ``config.plugins`` held when the comparison began: a worker needs no file, and later changes do not count.
    """

    config: ComparisonConfig
    folder: str
    data: Dataset | None = None
    files: tuple[PluginFile, ...] = ()

    def catalogue(self) -> Catalogue:
        """Return the catalogue, made once in a process: a small cell takes less time than looking for plugins."""
        return _catalogue(self.config, self.files, os.environ.get("IMBTK_PLUGINS"))

    def dataset(self, ungrouped: bool) -> Dataset:
        """Return the data, read once in a process, with their groups or without."""
        if self.data is not None:
            return without_groups(self.data) if ungrouped else self.data
        data = _read(self.config.model_copy(update={"out": None}), self.catalogue())
        return without_groups(data) if ungrouped else data

    def __getstate__(self) -> dict[str, Any]:
        """Hand samples over as an array, which joblib maps into memory instead of copying it for each worker."""
        state = dict(self.__dict__)
        if self.data is not None:
            state["data"] = (self.data.x.numpy(), {**vars(self.data), "x": None})
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["data"] is not None:
            x, fields = state["data"]
            # A read-only map would make torch warn of writes that nobody does.
            writable = x if x.flags.writeable else np.array(x)
            state = {**state, "data": Dataset(**{**fields, "x": torch.from_numpy(writable)})}
        self.__dict__.update(state)


def without_groups(dataset: Dataset) -> Dataset:
    """Return the data set as if nobody knew which rows belong together."""
    description = {**dataset.description, "groups_known": False}
    return dataclasses.replace(dataset, groups=None, group_names=(), description=description)


@lru_cache(maxsize=1)
def _read(config: ComparisonConfig, catalogue: Catalogue) -> Dataset:
    return read_data(config, catalogue=catalogue)[1]


@lru_cache(maxsize=1)
def _catalogue(config: ComparisonConfig, files: tuple[PluginFile, ...], allowed: str | None) -> Catalogue:
    return make_catalogue(config, files)


@dataclass(frozen=True)
class CellResult:
    """How a cell ended, and why if it failed."""

    name: str
    state: Literal["done", "failed"]
    reason: str = ""


def cell_folder(folder: Path, cell: GridCell) -> Path:
    """Return the run folder of a cell."""
    return folder / CELLS / cell.name


def is_done(folder: Path, cell: GridCell) -> bool:
    """Return whether a cell came to its end: a run folder has its name only when everything is in it."""
    return (cell_folder(folder, cell) / METRICS).is_file()


def failure_of(folder: Path, cell: GridCell) -> str | None:
    """Return why a cell failed when it was last tried, None if it did not."""
    path = _failure_path(folder, cell)
    return str(json.loads(path.read_text(encoding="utf-8"))["reason"]) if path.is_file() else None


def _failure_path(folder: Path, cell: GridCell) -> Path:
    place = cell_folder(folder, cell)
    return place.with_name(f"{place.name}.{FAILURE}")


def cell_config(config: ComparisonConfig, cell: GridCell, out: str | None = None) -> RunConfig:
    """Return the configuration of a cell's run: the comparison's, with a seed for each repeat."""
    values = {key: getattr(config, key) for key in RunConfig.model_fields}
    values |= {"strategies": (), "plan": (), "fold": 0, "out": out, "discard_unfinished": True}
    values["seed"] = config.seed + cell.repeat
    return RunConfig(**values)


def prepare_cell(job: Job, cell: GridCell, out: str | None = None, catalogue: Catalogue | None = None) -> PreparedRun:
    """Return the cell's run, checked and ready to train, nothing written.

    Raises
    ------
    ImbtkError
        If the plan makes no sense for the data.
    """
    dataset = job.dataset(cell.ungrouped)
    config = job.config
    split = make_split(dataset, config.folds, cell.repeat, cell.fold, config.seed)
    return prepare(
        cell_config(config, cell, out),
        with_split(dataset, split),
        cell.plan.strategies(),
        catalogue=catalogue or job.catalogue(),
    )


def run_cell(job: Job, cell: GridCell) -> CellResult:
    """Run a cell into its folder; a failure is written down and not raised.

    Notes
    -----
    The run is written below ``.work`` under a name that no other process uses, and moved to its place at the end. So a
    process that lost its parent, or another shard, can never write into the same folder; who comes second finds the
    place taken, and throws away numbers that are the same.
    """
    keep_memory()
    folder = Path(job.folder)
    if is_done(folder, cell):
        return CellResult(cell.name, "done")
    place = cell_folder(folder, cell)
    work = folder / CELLS / ".work" / f"{cell.name.replace('/', '+')}-{socket.gethostname()}-{os.getpid()}"
    threads, before = job.config.threads or 1, torch.get_num_threads()
    try:
        # Linear algebra adds in another order with other threads: the cell's number of them is the comparison's.
        with threadpool_limits(threads):
            torch.set_num_threads(threads)
            shutil.rmtree(work, ignore_errors=True)
            run_for_comparison(prepare_cell(job, cell, str(work)), RunProgress(quiet=True))
        shutil.rmtree(work / "checkpoint", ignore_errors=True)
        _move(work, place)
        _failure_path(folder, cell).unlink(missing_ok=True)
        return CellResult(cell.name, "done")
    except (Exception, SystemExit) as error:  # a stranger's strategy may raise anything: it is written down
        return _write_failure(folder, cell, error)
    finally:
        torch.set_num_threads(before)


def _move(work: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(work, place)
    except OSError:
        if not (place / METRICS).is_file():
            raise
        shutil.rmtree(work, ignore_errors=True)


def _write_failure(folder: Path, cell: GridCell, error: BaseException) -> CellResult:
    reason = str(error) if isinstance(error, ImbtkError) else f"{type(error).__name__}: {error}"
    path = _failure_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    trace = "".join(traceback.format_exception(error))
    write_json(path, {"cell": cell.name, "reason": reason, "traceback": trace})
    return CellResult(cell.name, "failed", reason)


def clear_work(folder: Path, cells: Sequence[GridCell]) -> None:
    """Remove what killed processes left of cells, once all cells are done."""
    if all(is_done(folder, cell) for cell in cells):
        shutil.rmtree(folder / CELLS / ".work", ignore_errors=True)
