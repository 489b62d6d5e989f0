"""``imbtk.evaluate``: where it writes, and what it takes from the run where nothing is said."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imbtk
from imbtk.errors import OptionError
from imbtk.inference.predictor import Predictor

Cohort = Callable[..., pd.DataFrame]


def test_the_default_folder_is_named_by_time_and_data_and_never_one_that_is_taken(
    table_run: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20260102-030405")
    cohort(20, 0.5, 4).to_csv("my cohort.csv", index=False)
    stem = Path("evaluations") / "20260102-030405-my_cohort.csv"
    for taken in (stem, Path(f"{stem}-2")):
        taken.mkdir(parents=True)
    found = imbtk.evaluate(table_run, "my cohort.csv", quiet=True)
    assert found.folder == Path(f"{stem}-3")
    assert (found.folder / "report.html").is_file()


def test_probabilities_are_for_the_frequencies_that_are_asked_for(
    table_run: Path, cohort: Cohort, tmp_path: Path
) -> None:
    frame, prior = cohort(20, 0.5, 4), "benign=0.9,malignant=0.1"
    frame.to_csv(tmp_path / "new.csv", index=False)
    found = imbtk.evaluate(table_run, tmp_path / "new.csv", deploy=prior, out=tmp_path / "ev", quiet=True)
    assert found.document["deployment_prior"] == [0.9, 0.1]
    written = pd.read_csv(found.folder / "predictions.csv")["p:malignant"]
    predictor = Predictor.load(table_run)
    np.testing.assert_allclose(written, predictor.at_deployment(prior).predict_proba(frame)[:, 1])
    assert (written < predictor.predict_proba(frame)[:, 1]).all()


def test_groups_are_called_and_classed_as_in_training(table_run: Path, mixed: pd.DataFrame, tmp_path: Path) -> None:
    shutil.copytree(table_run, tmp_path / "run")
    model = tmp_path / "run" / "model" / "model.json"
    words = {"group_label": "column:verdict", "group_name": "person"}
    model.write_text(json.dumps(json.loads(model.read_text()) | words))
    verdict = np.where(mixed["patient"] % 3 == 0, "malignant", "benign")
    mixed.assign(verdict=verdict).to_csv(tmp_path / "new.csv", index=False)
    found = imbtk.evaluate(tmp_path / "run", tmp_path / "new.csv", out=tmp_path / "ev", quiet=True)
    assert found.metrics is not None
    assert (found.metrics["group_name"], found.metrics["group_label"]) == ("person", "column:verdict")
    assert [entry["support"] for entry in found.metrics["test"]["per_group"]["per_class"]] == [16, 8]


def test_an_option_that_there_is_not_is_named(table_run: Path) -> None:
    with pytest.raises(OptionError, match=r"unknown option 'group_colum'\. Did you mean 'group_column'"):
        imbtk.evaluate(table_run, "new.csv", group_colum="patient")
