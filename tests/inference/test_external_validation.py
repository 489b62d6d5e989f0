"""A run on an external cohort: figures, files, and what is refused before any is written."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

import imbtk
from imbtk.data.new_rows import NewRows
from imbtk.errors import DataError, ImbtkError, RunFolderError
from imbtk.inference.external_validation import Evaluation, evaluate_new
from imbtk.inference.predictor import Predictor
from imbtk.runs.schemas import schema

Cohort = Callable[..., pd.DataFrame]


@pytest.fixture
def evaluated(table_run: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    """Return a function that evaluates the run of a table on rows, which it writes to ``new.csv``."""

    def evaluate(frame: pd.DataFrame, run: Path = table_run, **options: Any) -> Evaluation:
        frame.to_csv(tmp_path / "new.csv", index=False)
        return imbtk.evaluate(run, tmp_path / "new.csv", **{"out": tmp_path / "ev", "quiet": True, **options})

    return evaluate


def test_figures_are_those_of_scikit_learn_and_everything_is_written(
    evaluated: Callable[..., Evaluation], table_run: Path, cohort: Cohort
) -> None:
    frame = cohort(120, 0.5, 1)
    found = evaluated(frame)
    metrics = json.loads((found.folder / "metrics.json").read_text())
    assert found.metrics == metrics
    Draft202012Validator(schema("metrics")).validate(metrics)
    predictor = Predictor.load(table_run)
    called, p = predictor.predict(frame), predictor.predict_proba(frame)[:, 1]
    level = metrics["test"]["per_row"]
    assert level["overall"]["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(frame.label, called))
    assert level["overall"]["auroc"]["value"] == pytest.approx(roc_auc_score(frame.label == "malignant", p))
    sensitivity = recall_score(frame.label, called, pos_label="malignant")
    assert level["per_class"][1]["sensitivity"]["value"] == pytest.approx(sensitivity)
    assert metrics["test"]["per_group"]["n"] == 60
    with (found.folder / "predictions.csv").open() as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == called.tolist()
    page = (found.folder / "report.html").read_text()
    assert "imbtk evaluation on new data" in page
    assert "nothing was fitted on these data" in page
    assert sorted(entry.name for entry in found.folder.iterdir()) == [
        "evaluation.json", "metrics.json", "plots", "predictions.csv", "report.html",
    ]  # fmt: skip


def test_patients_of_both_classes_are_evaluated_per_row_unless_told(
    evaluated: Callable[..., Evaluation], table_run: Path, mixed: pd.DataFrame, tmp_path: Path
) -> None:
    mixed["verdict"] = np.where(mixed["patient"] % 3 == 0, "malignant", "benign")
    found = evaluated(mixed)
    assert found.metrics is not None
    side = found.metrics["test"]
    assert side["per_group"]["value"] is None
    assert "patients have rows of several classes, so metrics are per row" in side["per_group"]["reason"]
    page = (found.folder / "report.html").read_text()
    assert "No metrics per patient" in page
    assert ", per patient" not in page

    p = Predictor.load(table_run).predict_proba(mixed)[:, 1]
    of_patient = mixed.assign(p=p).groupby("patient")
    truths = {
        "any:malignant": of_patient["label"].agg(lambda labels: "malignant" in set(labels)),
        "majority": of_patient["label"].agg(lambda labels: (labels == "malignant").sum() > 2),
        "column:verdict": of_patient["verdict"].first() == "malignant",
    }
    for rule, truth in truths.items():
        found = evaluated(mixed, group_label=rule, group_name="person", out=tmp_path / rule.replace(":", "-"))
        assert found.metrics is not None
        Draft202012Validator(schema("metrics")).validate(found.metrics)
        assert (found.metrics["group_name"], found.metrics["group_label"]) == ("person", rule)
        figure = found.metrics["test"]["per_group"]["overall"]["auroc"]["value"]
        assert figure == pytest.approx(roc_auc_score(truth, of_patient["p"].mean())), rule
        page = (found.folder / "report.html").read_text()
        assert "per person" in page
        assert "patient" not in page.replace("patient.csv", "").replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_label": "any:sick"}, "--group-label any:sick: unknown class 'sick'"),
        ({"group_label": "most"}, "'most' does not say what class a group is. Write any:CLASS, majority"),
        ({"group_label": "column:verdict"}, "new.csv has no column 'verdict' (--group-label)"),
        ({"group_label": "majority", "groups": "none"}, "new.csv' belong together is not known. Say so with"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    evaluated: Callable[..., Evaluation], options: dict[str, str], message: str, mixed: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(ImbtkError, match=re.escape(message)):
        evaluated(mixed, **options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.csv"]


def test_a_rule_about_a_column_needs_columns(table_run: Path, cohort: Cohort, tmp_path: Path) -> None:
    frame = cohort(4, 0.5, 1)
    rows = NewRows(tuple("abcd"), values=frame, groups=tuple("ppqq"), labels=tuple(frame["label"]))
    message = r"--group-label column:verdict: 'memory' has no columns, which only manifests and tables have\. Use any:"
    with pytest.raises(DataError, match=message):
        evaluate_new(
            table_run, Predictor.load(table_run), rows, tmp_path / "ev", data="memory", group_label="column:verdict"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["benign", "malign"], "column 'label' of new.csv: the model knows no class 'malign' (1 rows of 'malign'). Did "
            "you mean 'malignant' or 'benign'?"),
        (["benign", ""], "column 'label' of new.csv: no label for 1 of 2 rows: 2. Fill them in or take these rows"),
        (None, "new.csv' has no labels that could be found. Say where they stand (--label-column, --label-level)"),
    ],
)  # fmt: skip
def test_labels_must_be_there_and_those_of_the_run(
    evaluated: Callable[..., Evaluation], labels: list[str] | None, message: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"size": [0, 2], "colour": ["red", "blue"]})
    with pytest.raises(DataError, match=re.escape(message)):
        evaluated(frame.assign(**({} if labels is None else {"label": labels})))
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.csv"]


def test_an_incomplete_run_is_refused(
    evaluated: Callable[..., Evaluation], table_run: Path, cohort: Cohort, tmp_path: Path
) -> None:
    shutil.copytree(table_run, tmp_path / "run")
    (tmp_path / "run" / "predictions.csv").unlink()
    with pytest.raises(RunFolderError, match=r"run lacks predictions\.csv"):
        evaluated(cohort(20, 0.5, 4), run=tmp_path / "run")


def test_rows_that_cannot_be_read_are_left_out_and_listed(
    evaluated: Callable[..., Evaluation], cohort: Cohort, tmp_path: Path
) -> None:
    frame = cohort(20, 0.5, 4).astype({"size": object})
    frame.loc[[3, 18], "size"] = "much"
    found = evaluated(frame)
    assert (found.document["rows"], found.document["class_counts"]) == (18, [9, 9])
    assert [name for name, _ in found.document["unreadable"]] == ["4", "19"]
    assert "'much'" in found.document["unreadable"][0][1]
    lines = pd.read_csv(found.folder / "predictions.csv")
    kept = [row for row in range(20) if row not in (3, 18)]
    assert lines["row"].tolist() == kept
    assert lines["file"].tolist() == [row + 1 for row in kept]
    assert lines["truth"].tolist() == frame["label"][kept].tolist()
    assert lines["group"].tolist() == frame["patient"][kept].tolist()
    with pytest.raises(DataError, match=r"none of the 20 rows could be read\. The first one: .*'much'"):
        evaluated(frame.assign(size="much"), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
