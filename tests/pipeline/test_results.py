"""What a run leaves in its folder, file by file."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from runs_on_folds import GROUPS, LABELS, NAMES, ROWS, given, ready
from sklearn import metrics as sk

from imbtk import __version__
from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.errors import ImbtkError
from imbtk.models.saving import load_network
from imbtk.pipeline.prepare import prepare
from imbtk.pipeline.results import Results
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.runs.log import PluginLog
from imbtk.runs.seen import SeenRows
from imbtk.training.fitting import make_network


def written(run: PreparedRun) -> Path:
    """Write what is known before training, and return the folder."""
    results = Results(run)
    with contextlib.closing(PluginLog()) as log, results.writing(log):
        pass
    return results.final


def test_a_run_folder_holds_everything(table_run: Path) -> None:
    names = {path.name for path in table_run.iterdir()}
    expected = (
        "config.toml plan.json environment.json split.csv history.csv metrics.json predictions.csv model checkpoint"
    )
    assert {*expected.split(), "log.txt", "plots", "report.html"} <= names
    assert not table_run.with_name("run.unfinished").exists()


def test_the_split_keeps_groups_whole(table_run: Path) -> None:
    split = pd.read_csv(table_run / "split.csv", dtype=str)
    assert list(split.columns) == ["row", "file", "label", "group", "split"]
    assert split.groupby("group")["split"].nunique().max() == 1
    shares = split["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.64, abs=0.05)
    assert shares["test"] == pytest.approx(0.20, abs=0.05)


def test_metrics_recomputed_from_predictions_by_scikit_learn_agree(table_run: Path) -> None:
    frame = pd.read_csv(table_run / "predictions.csv")
    metrics = json.loads((table_run / "metrics.json").read_text())
    assert list(frame.columns) == ["row", "split", "group", "truth", "predicted", "p:benign", "p:malignant"]
    for side in ("validation", "test"):
        part = frame[frame["split"] == side]
        overall = metrics[side]["per_row"]["overall"]
        truth, predicted = part["truth"], part["predicted"]
        assert overall["balanced_accuracy"]["value"] == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
        assert overall["mcc"]["value"] == pytest.approx(sk.matthews_corrcoef(truth, predicted))
        assert overall["macro_f1"]["value"] == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
        rare = metrics[side]["per_row"]["per_class"][1]
        ill = truth == "malignant"
        assert rare["auroc"]["value"] == pytest.approx(sk.roc_auc_score(ill, part["p:malignant"]))
        assert rare["sensitivity"]["value"] == pytest.approx(sk.recall_score(ill, predicted == "malignant"))
        patients = part.groupby(["group", "truth"], as_index=False)[["p:benign", "p:malignant"]].mean()
        per_group = metrics[side]["per_group"]
        assert per_group["n"] == len(patients)
        assert per_group["per_class"][1]["auroc"]["value"] == pytest.approx(
            sk.roc_auc_score(patients["truth"] == "malignant", patients["p:malignant"])
        )


def test_what_is_known_stands_in_the_folder_before_training(tmp_path: Path) -> None:
    run = ready("class-weights", "threshold", induce_imbalance="10:step", out=str(tmp_path / "run"))
    folder = written(run)
    split = pd.read_csv(folder / "split.csv", dtype=str)
    assert split["label"].tolist() == NAMES[LABELS].tolist()
    assert split["group"].tolist() == GROUPS.astype(str).tolist()
    kept = run.data.split
    for side, rows in {"train": kept.train, "validation": kept.validation, "dropped": run.data.dropped}.items():
        assert len(rows) > 0
        assert np.flatnonzero(split["split"] == side).tolist() == rows.sort().values.tolist()
    assert tomllib.loads((folder / "config.toml").read_text())["strategies"] == ["folds", "class-weights", "threshold"]
    assert json.loads((folder / "plan.json").read_text())["inner_models"] == 3
    log = (folder / "log.txt").read_text()
    assert f"imbtk {__version__}: folds class-weights threshold\n" in log
    assert "warning: The imbalance is induced" in log
    seen = SeenRows.read(folder)
    assert seen is not None
    assert len(seen.rows) == len(kept.train) + len(kept.validation), "test rows, and those left out, were not seen"


def test_rows_on_no_side_are_unused(tmp_path: Path) -> None:
    run = ready(out=str(tmp_path / "run"))
    split = dataclasses.replace(run.data.split, train=run.data.split.train[:50])
    run = dataclasses.replace(run, data=dataclasses.replace(run.data, split=split))
    sides = pd.read_csv(written(run) / "split.csv")["split"].value_counts().to_dict()
    assert sides == {"train": 50, "validation": 20, "test": 40, "unused": ROWS - 110}


def test_an_abstention_is_empty_and_a_group_has_its_own_truth(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(60.0), "label": np.tile(["ok", "ok", "ill"], 20), "site": GROUPS[:60]})
    options = {"epochs": 1, "model": "linear", "device": "cpu", "group_column": "site", "group_label": "any:ill"}
    run = prepare(make_config({**options, "out": str(tmp_path / "run")}), frame)
    results, network = Results(run), make_network(run)
    logits = {side: np.tile([[0.0, 4.0], [0.1, 0.0]], (30, 1))[: len(rows)] for side, rows in run.sides.items()}
    rule = DecisionRule(reject_below=0.8)
    history = [{"epoch": 0, "train_loss": 0.5, "kept": 0}, {"epoch": 1, "train_loss": 0.25, "kept": 1}]
    with contextlib.closing(PluginLog()) as log, results.writing(log):
        results.write_results(network, history, logits, CalibrationMap(), rule, {})
    lines = pd.read_csv(results.final / "predictions.csv", keep_default_na=False)
    test = lines[lines["split"] == "test"]
    assert test["row"].tolist() == run.sides["test"].tolist()
    assert test["predicted"].tolist() == np.resize(["ok", ""], len(test)).tolist()
    assert test["truth"].tolist() == frame["label"][test["row"]].tolist()
    ill = frame.groupby("site")["label"].agg(lambda labels: "ill" if "ill" in set(labels) else "ok")
    assert test["group_truth"].tolist() == ill[test["group"]].tolist()
    assert test["p:ok"].iloc[0] == pytest.approx(1 / (1 + np.exp(-4.0)))
    assert (results.final / "history.csv").read_text() == "epoch,train_loss,kept\n0,0.5,0\n1,0.25,1\n"
    _, described = load_network(results.final / "model")
    assert (described["group_name"], described["group_label"]) == ("group", "any:ill")
    assert described["decision"] == rule.to_json()


def test_a_folder_that_exists_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    run = ready(out=str(tmp_path))
    with pytest.raises(ImbtkError, match="exists already, and a run is never overwritten"):
        Results(run)
    assert list(tmp_path.iterdir()) == []


def test_observers_are_told_what_is_trained_and_where(tmp_path: Path) -> None:
    run = prepare(make_config({"epochs": 2, "model": "linear", "out": str(tmp_path / "run")}), given(0, 1, 2, 0))
    assert Results(run).run_description == {
        "plan": [],
        "data": run.data.dataset.name,
        "model": "linear",
        "seed": 0,
        "epochs": 2,
        "out": str(tmp_path / "run"),
    }
