"""Cells here, side by side, or on a cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from imbtk.comparison.backends import default_jobs, run_cells
from imbtk.comparison.cells import CellResult, Job, cell_folder
from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import GridCell, PlanRow
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import OptionError
from imbtk.planning.plan import Plan


def job_in(folder: Path, patients_csv: Path) -> Job:
    values = {"data": str(patients_csv), "group_column": "patient", "epochs": 1, "folds": 3, "model": "linear"}
    return Job(make_comparison_config(values), str(folder))


def cells_of(text: str = "") -> list[GridCell]:
    built = Plan.build(text.split(), Catalogue())
    return [GridCell(PlanRow(str(built), built), 0, fold) for fold in range(3)]


def predictions(folder: Path) -> list[str]:
    return [(cell_folder(folder, cell) / "predictions.csv").read_text() for cell in cells_of()]


def test_jobs_by_default() -> None:
    assert default_jobs("cuda") == 1
    assert default_jobs("cpu") >= 1


def test_a_real_dask_cluster_gives_the_same_numbers(patients_csv: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'imbtk[dask]'")
    results: list[CellResult] = []
    run_cells(job_in(tmp_path / "here", patients_csv), cells_of(), results.append)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        address = cluster.scheduler_address
        run_cells(
            job_in(tmp_path / "there", patients_csv), cells_of(), results.append, backend="dask", scheduler=address
        )
    assert [result.state for result in results] == ["done"] * 6
    assert predictions(tmp_path / "here") == predictions(tmp_path / "there")


def test_workers_with_several_threads_are_refused(patients_csv: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'imbtk[dask]'")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
        ) as cluster,
        pytest.raises(OptionError, match="Start workers with one thread each: dask worker"),
    ):
        run_cells(
            job_in(tmp_path, patients_csv),
            cells_of(),
            lambda _: None,
            backend="dask",
            scheduler=cluster.scheduler_address,
        )


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (None, "the backend 'dask' needs a cluster that runs already: give its scheduler, --scheduler tcp://HOST:8786"),
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at 'tcp://127.0.0.1:9'"),
    ],
)
def test_no_cluster(
    patients_csv: Path, tmp_path: Path, scheduler: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'imbtk[dask]'")
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setattr("imbtk.comparison.backends.SCHEDULER_TIMEOUT", "1s")
    with pytest.raises(OptionError, match=re.escape(message)):
        run_cells(job_in(tmp_path, patients_csv), cells_of(), lambda _: None, backend="dask", scheduler=scheduler)


def test_dask_that_is_not_installed(patients_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(OptionError, match=r"the backend 'dask' needs Dask: pip install 'imbtk\[dask\]'\."):
        run_cells(job_in(tmp_path, patients_csv), cells_of(), lambda _: None, backend="dask", scheduler="tcp://x:1")
