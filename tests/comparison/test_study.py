"""A comparison made ready."""

from __future__ import annotations

from pathlib import Path

from imbtk.comparison.cells import CELLS
from imbtk.comparison.progress import GridProgress
from imbtk.comparison.settings import make_comparison_config
from imbtk.comparison.study import prepare_study


def test_what_the_data_decide_is_decided_once_for_all_cells(patients_csv: Path, tmp_path: Path) -> None:
    values = {"data": str(patients_csv), "group_column": "patient", "folds": 3, "out": str(tmp_path / "study")}
    study = prepare_study(make_comparison_config(values), None, ["class-weights"], GridProgress(quiet=True))
    config = study.job.config
    assert (config.model, config.positive, config.epochs) == ("mlp", "ill", 100)
    assert config.lr is not None
    assert len(study.cells) == len(study.open_cells()) == 2 * 3 * 3
    assert study.job.data is None
    assert not (study.folder / CELLS).exists()


def test_data_in_memory_are_handed_to_the_workers(tmp_path: Path) -> None:
    import numpy as np

    y = np.repeat([0, 1], 20)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    values = {"folds": 3, "out": str(tmp_path / "study")}
    study = prepare_study(make_comparison_config(values), (x, y), ["class-weights"], GridProgress(quiet=True))
    assert study.job.data is not None
    assert len(study.job.data) == 40
