"""A row of a comparison trained on all rows: what it is fitted on, what it says it can do, and what is refused."""

from __future__ import annotations

import csv
import html
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import imbtk
from imbtk.comparison.all_rows import _kept_epochs
from imbtk.comparison.analysis import DECISION
from imbtk.comparison.cells import cell_folder
from imbtk.comparison.comparison import Comparison, compare
from imbtk.comparison.folder import ComparisonFolder
from imbtk.errors import ImbtkError, OptionError, PlanError, RunFolderError
from imbtk.runs.schemas import schema


def run(found: Comparison, row: str, out: Path, **options: Any) -> imbtk.RunResult:
    return imbtk.run(from_comparison=str(found.folder), row=row, out=str(out), quiet=True, **options)


def test_a_row_is_trained_on_all_rows_and_quotes_the_comparison(
    finished: Comparison, patients_csv: Path, tmp_path: Path
) -> None:
    result = run(finished, "class-weights", tmp_path / "run")
    with (tmp_path / "run" / "split.csv").open(newline="") as file:
        sides = {line["split"] for line in csv.DictReader(file)}
    assert sides == {"train"}
    entry = next(row for row in finished.document["rows"] if row["name"] == "class-weights")
    estimate = result.metrics["estimate"]
    figures = {figure["metric"]: figure for figure in estimate["figures"]}
    assert figures["balanced_accuracy"]["interval"] == entry["figures"]["balanced_accuracy"]["interval"]
    assert estimate["per_class"] == entry["per_class"]
    assert not {"test", "validation"} & set(result.metrics)
    __import__("jsonschema").Draft202012Validator(schema("metrics")).validate(result.metrics)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "no row is left to test it on" in page
    assert f"{figures['balanced_accuracy']['value']:.2f}" in page
    frame = pd.read_csv(patients_csv).drop(columns=["label", "patient"])
    assert result.predict_proba(frame).shape == (len(frame), 2)
    assert "estimated balanced accuracy" in repr(result)
    with pytest.raises(ImbtkError):
        imbtk.run(config=None, from_comparison=str(finished.folder), row="class-weights", out=str(tmp_path / "run"))


def test_its_config_repeats_it(finished: Comparison, tmp_path: Path) -> None:
    from imbtk.planning.config import make_config, read_config

    run(finished, "class-weights", tmp_path / "first")
    config = make_config({**read_config(tmp_path / "first" / "config.toml"), "out": str(tmp_path / "again")})
    imbtk.run(config=config, quiet=True)
    first, again = ((tmp_path / name / "model" / "weights.safetensors").read_bytes() for name in ("first", "again"))
    assert first == again


def test_probabilities_are_fitted_on_the_first_repeats_unseen_rows(finished: Comparison, tmp_path: Path) -> None:
    run(finished, DECISION, tmp_path / "run")
    folder = ComparisonFolder(finished.folder)
    rows, logits = [], []
    for cell in folder.cells(folder.plans[0])[:3]:
        kept = np.load(cell_folder(finished.folder, cell) / "logits.npz")
        rows.append(kept["rows"])
        logits.append(kept["logits"])
        # They are those of the saved predictions, before the calibration.
        calibration = json.loads((cell_folder(finished.folder, cell) / "model" / "model.json").read_text())
        table = pd.read_csv(cell_folder(finished.folder, cell) / "predictions.csv")
        test = table[table["split"] == "test"]
        said = imbtk.CalibrationMap.from_json(calibration["calibration"]).probabilities(kept["logits"])
        assert np.allclose(said[:, 1], test["p:ill"], atol=1e-12)
    assert sorted(np.concatenate(rows)) == list(range(finished.document["data"]["rows"]))
    document = json.loads((tmp_path / "run" / "calibration.json").read_text())
    labels = np.array([finished.document["data"]["class_names"].index(name) for name in _labels(tmp_path / "run")])
    stacked = torch.from_numpy(np.concatenate(logits)[np.argsort(np.concatenate(rows))])
    expected = torch.nn.functional.cross_entropy(stacked, torch.from_numpy(labels)).item()
    assert document["before"]["out_of_fold"]["log_loss"] == pytest.approx(expected, rel=1e-9)
    assert document["after"]["out_of_fold"]["log_loss"] <= expected
    decision = json.loads((tmp_path / "run" / "decision.json").read_text())
    prior = np.bincount(labels) / len(labels)
    assert np.allclose(decision["rule"]["shift"], -np.log(prior))


def _labels(folder: Path) -> list[str]:
    with (folder / "split.csv").open(newline="") as file:
        return [line["label"] for line in csv.DictReader(file)]


def test_balanced_decisions_are_those_of_the_row(finished: Comparison, patients_csv: Path, tmp_path: Path) -> None:
    result = imbtk.run(
        patients_csv, decide="balanced", group_column="patient", epochs=2, out=str(tmp_path / "x"), quiet=True
    )
    table = pd.read_csv(tmp_path / "x" / "predictions.csv")
    prior = json.loads((tmp_path / "x" / "calibration.json").read_text())["deployment_prior"]
    names = result.metrics["class_names"]
    wanted = (table[[f"p:{name}" for name in names]].to_numpy() / np.array(prior)).argmax(axis=1)
    assert [names[k] for k in wanted] == table["predicted"].tolist()


@pytest.fixture(scope="module")
def stopped(patients_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Return a comparison whose cells are stopped early, on data of its own."""
    folder = tmp_path_factory.mktemp("stopped")
    shutil.copy(patients_csv, folder / "study.csv")
    return compare(
        folder / "study.csv",
        ["class-weights threshold"],
        early_stop="log_loss",
        lr=0.3,
        epochs=6,
        folds=3,
        repeats=1,
        group_column="patient",
        jobs=1,
        quiet=True,
        out=folder / "comparison",
    )


def test_training_ends_at_the_median_of_the_epochs_kept(stopped: Comparison, tmp_path: Path) -> None:
    result = run(stopped, "class-weights threshold", tmp_path / "run")
    folder = ComparisonFolder(stopped.folder)
    plan = folder.plans[1]
    kept = []
    for cell in folder.cells(plan):
        history = pd.read_csv(cell_folder(stopped.folder, cell) / "history.csv")
        kept.append(int(history.loc[history["validation_log_loss"].idxmin(), "epoch"]) + 1)
        assert _kept_epochs(stopped.folder, cell) == kept[-1]
    assert len(result.history) == sorted(kept)[1]
    decision = json.loads((tmp_path / "run" / "decision.json").read_text())
    assert (decision["fitted_on"], decision["rows"]) == ("out-of-fold rows", stopped.document["data"]["rows"])


def test_data_that_changed_since_are_refused(stopped: Comparison, tmp_path: Path) -> None:
    path = Path(ComparisonFolder(stopped.folder).protocol["source"])
    text = path.read_text()
    rows = stopped.document["data"]["rows"]
    path.write_text(text + text.splitlines()[-1] + "\n")
    try:
        with pytest.raises(RunFolderError, match=f"data rows was {rows}, is now {rows + 1}"):
            run(stopped, "nothing", tmp_path / "x")
        path.write_text(text.replace("p0,healthy,-", "p0,healthy,", 1))
        with pytest.raises(RunFolderError, match=r"compared something else.*data digest was"):
            run(stopped, "nothing", tmp_path / "x")
    finally:
        path.write_text(text)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"row": "class-weigths"}, RunFolderError, "has no row 'class-weigths'. Did you mean 'class-weights'"),
        ({"row": "focal-loss", "epochs": 9}, OptionError, "'epochs' was 2, is 9 here. Leave out what differs"),
        ({}, OptionError, "say which row of .* to train: --row '"),
        ({"row": "class-weights", "strategies": ["focal-loss"]}, PlanError, "the strategies given are 'focal-loss'"),
    ],
)
def test_what_is_no_row_of_it(
    options: dict[str, Any], error: type[ImbtkError], message: str, finished: Comparison, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        imbtk.run(from_comparison=str(finished.folder), out=str(tmp_path / "x"), quiet=True, **options)


def test_a_comparison_ends_with_the_commands(finished: Comparison) -> None:
    page = html.unescape(re.sub("<[^>]+>", "", (finished.folder / "report.html").read_text()))
    assert f"imbtk run --from {finished.folder} --row 'nothing, with the decision moved'" in page
    best = next(row["name"] for row in finished.document["rows"] if row["kind"] == "plan")
    assert f"imbtk run --from {finished.folder} --row {shlex.quote(best)}" in page
