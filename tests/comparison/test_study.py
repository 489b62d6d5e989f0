"""A comparison made ready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbtk.comparison.cells import CELLS, prepare_cell
from imbtk.comparison.comparison import compare
from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.progress import GridProgress
from imbtk.comparison.study import prepare_study


def test_what_the_data_decide_is_decided_once_for_all_cells(patients_csv: Path, tmp_path: Path) -> None:
    values = {"data": str(patients_csv), "group_column": "patient", "folds": 3, "out": str(tmp_path / "study")}
    study = prepare_study(make_comparison_config(values), None, ["class-weights"], GridProgress(quiet=True))
    config = study.job.config
    assert (config.model, config.positive, config.epochs) == ("table-mlp", "ill", 100)
    assert (config.early_stop, config.patience) == ("corrected_log_loss", 30)
    assert config.lr is not None
    assert len(study.cells) == len(study.open_cells()) == 2 * 3 * 3
    assert study.job.data is None
    assert not (study.folder / CELLS).exists()


def test_data_in_memory_are_handed_to_the_workers(tmp_path: Path) -> None:
    y = np.repeat([0, 1], 20)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    values = {"folds": 3, "out": str(tmp_path / "study")}
    study = prepare_study(make_comparison_config(values), (x, y), ["class-weights"], GridProgress(quiet=True))
    assert study.job.data is not None
    assert len(study.job.data) == 40


def test_the_test_side_that_the_data_give_is_left_for_the_end(patients_csv: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(patients_csv)
    number = frame["patient"].str[1:].astype(int)
    frame["split"] = np.where(number % 5 == 0, "test", np.where(number % 5 == 1, "val", "train"))
    frame.to_csv(tmp_path / "study.csv", index=False)
    options: dict[str, Any] = {"epochs": 2, "folds": 3, "repeats": 1, "group_column": "patient"}
    done = compare(
        tmp_path / "study.csv", each=("class-weights",), out=str(tmp_path / "out"), jobs=1, quiet=True, **options
    )
    kept = int((frame["split"] != "test").sum())
    assert done.document["data"]["rows"] == kept
    left = f"The data give a test side: its {len(frame) - kept} rows are in no fold"
    assert any(left in line for line in done.document["warnings"])
    assert left in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    cell = pd.read_csv(next((tmp_path / "out").glob("cells/*/repeat-1-fold-1/split.csv")))
    assert set(cell.loc[frame["split"].to_numpy() == "test", "split"]) == {"unused"}
    values = {**options, "data": str(tmp_path / "study.csv"), "ignore_split": True, "out": str(tmp_path / "all")}
    whole = prepare_study(make_comparison_config(values), None, ["class-weights"], GridProgress(quiet=True))
    split = prepare_cell(whole.job, whole.cells[0]).data.split
    assert len(split.train) + len(split.validation) + len(split.test) == len(frame)
