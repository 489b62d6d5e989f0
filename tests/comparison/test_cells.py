"""One cell: whole or not at all, and the same wherever it is run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imbtk.comparison import cells
from imbtk.comparison.cells import (
    CELLS,
    Job,
    cell_config,
    cell_folder,
    clear_work,
    failure_of,
    is_done,
    run_cell,
    without_groups,
)
from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import GridCell, PlanRow
from imbtk.data import load
from imbtk.discovery.catalogue import Catalogue
from imbtk.planning.plan import Plan


@pytest.fixture
def job(patients_csv: Path, tmp_path: Path) -> Job:
    config = make_comparison_config(
        {"data": str(patients_csv), "group_column": "patient", "epochs": 1, "folds": 3, "model": "linear"}
    )
    return Job(config, str(tmp_path))


def plan(text: str = "") -> PlanRow:
    built = Plan.build(text.split(), Catalogue())
    return PlanRow(str(built), built)


def test_a_cell_is_a_run_folder_without_checkpoint_or_page(job: Job, tmp_path: Path) -> None:
    cell = GridCell(plan("class-weights"), 0, 1)
    assert run_cell(job, cell).state == "done"
    place = cell_folder(tmp_path, cell)
    assert is_done(tmp_path, cell)
    assert {"config.toml", "plan.json", "predictions.csv", "metrics.json", "model"} <= {p.name for p in place.iterdir()}
    assert not (place / "checkpoint").exists()
    assert not (place / "report.html").exists()
    metrics = json.loads((place / "metrics.json").read_text())
    figure = metrics["test"]["per_row"]["overall"]["auroc"]
    assert figure["interval"] is None
    assert figure["interval_reason"] == "no resampling was asked for"


def test_a_done_cell_is_not_run_again(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = GridCell(plan(), 0, 0)
    run_cell(job, cell)
    monkeypatch.setattr(cells, "run_for_comparison", lambda *_, **__: pytest.fail("run again"))
    assert run_cell(job, cell).state == "done"


def test_repeats_have_seeds_of_their_own_and_plans_share_them(job: Job) -> None:
    seeds = [cell_config(job.config, GridCell(plan(text), r, 0)).seed for r in (0, 1) for text in ("", "class-weights")]
    assert seeds == [0, 0, 1, 1]


def test_a_failure_is_written_down_and_gone_when_the_cell_succeeds(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = GridCell(plan(), 0, 0)

    def broken(*_: Any, **__: Any) -> None:
        raise MemoryError("too large")

    with monkeypatch.context() as patch:
        patch.setattr(cells, "run_for_comparison", broken)
        result = run_cell(job, cell)
    assert (result.state, result.reason) == ("failed", "MemoryError: too large")
    assert failure_of(tmp_path, cell) == "MemoryError: too large"
    assert not is_done(tmp_path, cell)
    assert run_cell(job, cell).state == "done"
    assert failure_of(tmp_path, cell) is None


def test_who_comes_second_leaves_what_is_there(job: Job, tmp_path: Path) -> None:
    cell = GridCell(plan(), 0, 0)
    run_cell(job, cell)
    place, work = cell_folder(tmp_path, cell), tmp_path / CELLS / ".work" / "late"
    work.mkdir(parents=True)
    before = (place / "metrics.json").stat().st_mtime_ns
    cells._move(work, place)
    assert not work.exists()
    assert (place / "metrics.json").stat().st_mtime_ns == before


def test_leftovers_stay_until_all_cells_are_done(job: Job, tmp_path: Path) -> None:
    done, open_ = GridCell(plan(), 0, 0), GridCell(plan(), 0, 1)
    run_cell(job, done)
    work = tmp_path / CELLS / ".work" / "left"
    work.mkdir(parents=True)
    clear_work(tmp_path, [done, open_])
    assert work.exists()
    clear_work(tmp_path, [done])
    assert not work.exists()


def test_numbers_do_not_depend_on_the_threads_of_the_process(job: Job, tmp_path: Path) -> None:
    cell, texts = GridCell(plan("class-weights"), 0, 0), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        folder = tmp_path / str(threads)
        assert run_cell(Job(job.config, str(folder)), cell).state == "done"
        assert torch.get_num_threads() == threads
        texts.append((cell_folder(folder, cell) / "predictions.csv").read_text())
    torch.set_num_threads(1)
    assert texts[0] == texts[1]


def test_data_in_memory_travel_to_a_worker(patients_csv: Path, job: Job) -> None:
    data = load(patients_csv, job.config)
    there = pickle.loads(pickle.dumps(Job(job.config, "out", data))).dataset(ungrouped=False)
    assert torch.equal(there.x, data.x)
    assert torch.equal(there.labels, data.labels)
    assert there.class_names == data.class_names


def test_ungrouped_data_know_no_patients(patients_csv: Path, job: Job) -> None:
    data = load(patients_csv, job.config)
    assert data.groups is not None
    bare = without_groups(data)
    assert bare.groups is None
    assert bare.description["groups_known"] is False
    assert np.array_equal(bare.labels, data.labels)
