"""Where cells are run: here, side by side, or on a cluster. The numbers are the same."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import cloudpickle
import joblib

from imbtk.comparison.cells import CellResult, Job, run_cell
from imbtk.comparison.grid import GridCell
from imbtk.errors import ImbtkError, OptionError, as_sentence

__all__ = ["Backend", "check_backend", "default_jobs", "run_cells"]

Backend = Literal["local", "dask"]

SCHEDULER_TIMEOUT = "10s"


def default_jobs(device: str) -> int:
    """Return how many cells run side by side: as many as there are cores, one on a GPU."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_cells(
    job: Job,
    cells: Sequence[GridCell],
    on_result: Callable[[CellResult], None],
    *,
    jobs: int = 1,
    backend: Backend = "local",
    scheduler: str | None = None,
) -> None:
    """Run cells, each into its own folder; failures are written down there.

    Parameters
    ----------
    job : Job
    cells : sequence of GridCell
    on_result : callable
        Called here with the result of each cell as it ends, in any order.
    jobs : int
        Cells side by side; a cluster takes as many as it has workers.
    backend : "local" or "dask"
    scheduler : str, optional
        Address of the Dask scheduler; ``DASK_SCHEDULER_ADDRESS`` unless given.

    Raises
    ------
    ImbtkError
        If a worker was killed, there is no cluster that can be used, or a worker cannot load a strategy.
    PluginError
        If a strategy cannot be handed to another process.
    """
    check_backend(backend, scheduler)
    if backend == "local" and (jobs == 1 or len(cells) == 1):
        for cell in cells:
            on_result(run_cell(job, cell))
        return
    # Packed here and unpacked by our own function: a task that a worker cannot unpack breaks joblib's whole pool.
    packed = [cloudpickle.dumps(cell) for cell in cells]
    with _dask(scheduler) if backend == "dask" else _local(jobs, job.config.threads or 1):
        parallel = joblib.Parallel(
            n_jobs=-1 if backend == "dask" else jobs, return_as="generator_unordered", batch_size=1
        )
        try:
            for result in parallel(joblib.delayed(_run_packed)(job, cell) for cell in packed):
                on_result(result)
        except joblib.externals.loky.process_executor.TerminatedWorkerError as error:
            raise ImbtkError(
                "a process that ran a cell was killed, most likely for want of memory. What is done is kept; the same "
                "command goes on from there. Lower --jobs."
            ) from error


def _run_packed(job: Job, packed: bytes) -> CellResult:
    """Unpack a cell, and run it."""
    try:
        cell = pickle.loads(packed)
    except Exception as error:  # whatever a plugin's module may raise when it is imported
        raise ImbtkError(
            f"a process that runs cells (on {socket.gethostname()}) cannot load their strategies: "
            f"{as_sentence(f'{type(error).__name__}: {error}')} Install there what is installed here, give a file of "
            "strategies with --plugin, which is sent along, or run cells one by one here: --jobs 1."
        ) from error
    return run_cell(job, cell)


def _local(jobs: int, threads: int) -> Any:
    return joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=threads)


def check_backend(backend: Backend, scheduler: str | None) -> None:
    """Refuse a backend that cannot be used, before anything is written.

    Raises
    ------
    OptionError
        If Dask is not installed or no scheduler is given, or a scheduler is given and Dask is not asked for.
    """
    if backend != "dask":
        if scheduler is not None:
            raise OptionError("'scheduler' is that of a Dask cluster: add --backend dask, or leave it out.")
        return
    if find_spec("distributed") is None:
        raise OptionError("the backend 'dask' needs Dask: pip install 'imbtk[dask]'.")
    if not _address(scheduler):
        raise OptionError(
            "the backend 'dask' needs a cluster that runs already: give its scheduler, --scheduler tcp://HOST:8786, or "
            "set DASK_SCHEDULER_ADDRESS."
        )


def _address(scheduler: str | None) -> str | None:
    return scheduler or os.environ.get("DASK_SCHEDULER_ADDRESS")


@contextlib.contextmanager
def _dask(scheduler: str | None) -> Iterator[None]:
    """Hand joblib's work to a cluster that exists already, through joblib's own backend."""
    from distributed import Client

    address = _address(scheduler)
    try:
        client = Client(address, timeout=SCHEDULER_TIMEOUT)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise OptionError(f"no Dask scheduler answers at '{address}': {error}.") from None
    with client:
        threads: dict[str, int] = client.nthreads()  # type: ignore[no-untyped-call]
        if not threads:
            raise OptionError(f"the Dask cluster at '{address}' has no worker. Start some: dask worker {address}.")
        if any(count != 1 for count in threads.values()):
            raise OptionError(
                "a worker of the Dask cluster runs several tasks in one process, whose cells would share their random "
                f"state. Start workers with one thread each: dask worker {address} --nthreads 1 --nworkers N."
            )
        # Asked with a function that every Python has: what follows are functions of imbtk.
        for worker, found in client.run(find_spec, "imbtk").items():
            if found is None:
                raise OptionError(
                    f"the worker {worker} of the Dask cluster at '{address}' has no imbtk: install it there."
                )
        with joblib.parallel_config(backend="dask"):
            yield
