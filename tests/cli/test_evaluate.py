"""Tests of ``imbtk evaluate``: an external cohort, labelled and not."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from jsonschema import Draft202012Validator
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

from imbtk.inference.predictor import Predictor
from imbtk.runs.schemas import schema

Call = Callable[..., Result]


def cohort(rows: int, malignant: float, seed: int, apart: float = 2.0) -> pd.DataFrame:
    """Return rows made like those of the training table, with another share of the malignant class.

    With another distance `apart` between the classes they are made otherwise.
    """
    rng = np.random.default_rng(seed)
    ill = np.arange(rows) // 2 * 2 < malignant * rows
    colour = np.where(rng.random(rows) < np.where(ill, 0.8, 0.3), "red", "blue")
    size = rng.normal(size=rows) * apart / 2 + np.where(ill, 1 + apart / 2, 1 - apart / 2)
    label = np.where(ill, "malignant", "benign")
    return pd.DataFrame({"size": size, "colour": colour, "patient": np.arange(rows) // 2, "label": label})


def test_figures_are_those_of_scikit_learn_and_everything_is_written(call: Call, table_run: Path) -> None:
    frame = cohort(120, 0.5, 1)
    frame.to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", "--out", "ev", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    metrics = json.loads(Path("ev/metrics.json").read_text())
    assert document["metrics"] == metrics
    Draft202012Validator(schema("metrics")).validate(metrics)
    predictor = Predictor.load(table_run)
    called, p = predictor.predict(frame), predictor.predict_proba(frame)[:, 1]
    level = metrics["test"]["per_row"]
    assert level["overall"]["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(frame.label, called))
    assert level["overall"]["auroc"]["value"] == pytest.approx(roc_auc_score(frame.label == "malignant", p))
    sensitivity = recall_score(frame.label, called, pos_label="malignant")
    assert level["per_class"][1]["sensitivity"]["value"] == pytest.approx(sensitivity)
    assert metrics["test"]["per_group"]["n"] == 60
    with Path("ev/predictions.csv").open() as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == called.tolist()
    page = Path("ev/report.html").read_text()
    assert "imbtk evaluation on new data" in page
    assert "nothing was fitted on these data" in page
    assert sorted(entry.name for entry in Path("ev").iterdir()) == [
        "evaluation.json", "metrics.json", "plots", "predictions.csv", "report.html",
    ]  # fmt: skip


def mixed(rows: int = 120) -> pd.DataFrame:
    """Return a cohort whose patients have five rows each, in half of them of both classes."""
    frame = cohort(rows, 0.5, 1)
    frame["patient"] = np.random.default_rng(0).permutation(np.arange(rows) // 5)
    return frame


def test_patients_of_both_classes_are_evaluated_per_row_unless_told(call: Call, table_run: Path) -> None:
    frame = mixed()
    frame["verdict"] = np.where(frame["patient"] % 3 == 0, "malignant", "benign")
    frame.to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", "--out", "rows")
    assert result.exit_code == 0, result.stderr
    side = json.loads(Path("rows/metrics.json").read_text())["test"]
    assert side["per_group"]["value"] is None
    assert "patients have rows of several classes, so metrics are per row" in side["per_group"]["reason"]
    assert "Test, per patient" not in result.stdout
    assert "! no metrics per patient: " in result.stdout
    page = Path("rows/report.html").read_text()
    assert "No metrics per patient" in page
    assert ", per patient" not in page

    p = Predictor.load(table_run).predict_proba(frame)[:, 1]
    of_patient = frame.assign(p=p).groupby("patient")
    truths = {
        "any:malignant": of_patient["label"].agg(lambda labels: "malignant" in set(labels)),
        "majority": of_patient["label"].agg(lambda labels: (labels == "malignant").sum() > 2),
        "column:verdict": of_patient["verdict"].first() == "malignant",
    }
    for rule, truth in truths.items():
        out = rule.replace(":", "-")
        result = call("evaluate", table_run, "new.csv", "--group-label", rule, "--group-name", "person", "--out", out)
        assert result.exit_code == 0, result.stderr
        metrics = json.loads(Path(out, "metrics.json").read_text())
        Draft202012Validator(schema("metrics")).validate(metrics)
        assert (metrics["group_name"], metrics["group_label"]) == ("person", rule)
        figure = metrics["test"]["per_group"]["overall"]["auroc"]["value"]
        assert figure == pytest.approx(roc_auc_score(truth, of_patient["p"].mean())), rule
        assert "Test, per person (24 people" not in result.stdout
        assert "Test, per person (24 persons)" in result.stdout
        page = Path(out, "report.html").read_text()
        assert "per person" in page
        assert "patient" not in page.replace("patient.csv", "")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--group-label", "any:sick"), "--group-label any:sick: unknown class 'sick'"),
        (("--group-label", "most"), "'most' does not say what class a group is. Write any:CLASS, majority"),
        (("--group-label", "column:verdict"), "new.csv has no column 'verdict' (--group-label)"),
        (("--group-label", "majority", "--groups", "none"), "which rows of 'new.csv' belong together is not known"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(call: Call, table_run: Path, more: tuple[str, ...], message: str) -> None:
    mixed().to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", "--out", "ev", *more)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not Path("ev").exists()


def test_images_in_class_folders_with_one_class_and_a_broken_file(call: Call, image_run: Path) -> None:
    shutil.copytree(image_run.parent / "train" / "malignant", "in/malignant")
    Path("in/malignant/m0_zz.png").write_bytes(b"no image")
    result = call("evaluate", image_run, "in", "--out", "ev", "--group-pattern", r"(m\d+)_", "--allow-seen")
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "! the data have no row of class 'benign': its metrics, and means over all, are missing" in said
    assert "! 1 rows could not be read and are left out" in result.stdout
    assert "! 36 of 45 images equal one that this run was trained or validated on (malignant/m0_0.png, " in said
    assert "Test, per image (45 images)" in result.stdout
    document = json.loads(Path("ev/evaluation.json").read_text())
    assert (document["rows"], document["groups"], document["missing_classes"]) == (45, 15, ["benign"])
    assert document["unreadable"][0][0] == "malignant/m0_zz.png"
    page = Path("ev/report.html").read_text()
    assert "The data have no image of" in page
    assert "What could not be read" in page


def test_frequencies_are_estimated_without_labels(call: Call, table_run: Path) -> None:
    cohort(600, 0.7, 2).drop(columns="label").to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", "--estimate-prior", "--out", "ev")
    assert result.exit_code == 0, result.stderr
    prior = json.loads(Path("ev/evaluation.json").read_text())["prior"]
    malignant = prior["classes"][1]
    # The interval takes the calibration as given, which rests on 38 validation rows here.
    assert malignant["estimate"] == pytest.approx(0.7, abs=0.15)
    assert malignant["interval"][0] < malignant["estimate"] < malignant["interval"][1]
    assert malignant["in_data"] is None
    assert not prior["doubtful"]
    assert prior["unchanged"]["p_value"] < 1e-6
    text = " ".join(result.stdout.split())
    assert "assumes that only class frequencies differ" in text
    assert "Nothing speaks against it here" in text
    assert f'To use it: --deploy "{prior["deploy"]}"' in text
    assert not Path("ev/metrics.json").exists()
    again = call("predict", table_run, "new.csv", "--deploy", prior["deploy"], "-q")
    assert again.exit_code == 0, again.stderr


def test_labels_check_the_estimate_and_other_rows_break_the_assumption(call: Call, table_run: Path) -> None:
    cohort(800, 0.5, 3, apart=0.2).to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", "--estimate-prior", "--out", "ev")
    prior = json.loads(Path("ev/evaluation.json").read_text())["prior"]
    assert prior["classes"][1]["in_data"] == 0.5
    assert prior["doubtful"]
    assert "It does not hold here" in " ".join(result.stdout.split())
    page = Path("ev/report.html").read_text()
    assert "Class frequencies, estimated without labels" in page
    assert "Do not rely on the estimate." in page


@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        (["benign", "malign"], [], "column 'label' of new.csv: the model knows no class 'malign' (1 rows of 'malign'). "
            "Did you mean 'malignant' or 'benign'?"),
        (["benign", ""], [], "column 'label' of new.csv: no label for 1 of 2 rows: 2. Fill them in or take these rows"),
        (None, [], "'new.csv' has no labels that could be found. Say where they stand (--label-column, --label-level)"),
        (["benign", "malignant"], ["--out", "."], "the folder '.' exists already, and is not overwritten."),
        (["benign", "malignant"], ["--deploy", "benign=0.2,malignant=0.2"], "sum to 0.4 instead of 1"),
    ],
)  # fmt: skip
def test_mistakes_end_with_2_and_leave_no_folder(
    call: Call, table_run: Path, labels: list[str] | None, arguments: list[str], message: str
) -> None:
    frame = pd.DataFrame({"size": [0, 2], "colour": ["red", "blue"]})
    frame.assign(**({} if labels is None else {"label": labels})).to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", *arguments, "-q")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert [entry.name for entry in Path().iterdir()] == ["new.csv"]


def test_rows_that_were_trained_on_end_with_2_and_leave_no_folder(call: Call, table_run: Path) -> None:
    shutil.copy(table_run.parent / "train.csv", "again.csv")
    result = call("evaluate", table_run, "again.csv", "--out", "ev", "-q")
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert said.startswith("Error: 'again.csv' is not new to this run: ")
    assert "evaluate all the same with --allow-seen (allow_seen=True in Python)" in said
    assert [entry.name for entry in Path().iterdir()] == ["again.csv"]


def test_what_is_unfinished_is_deleted_only_when_asked(call: Call, table_run: Path) -> None:
    cohort(20, 0.5, 4).to_csv("new.csv", index=False)
    Path("ev.unfinished").mkdir()
    Path("ev.unfinished/mine.txt").write_text("mine")
    for more in ([], ["--discard-unfinished"]):
        result = call("evaluate", table_run, "new.csv", "--out", "ev", "-q", *more)
        assert result.exit_code == 2
        assert "'ev.unfinished' is in the way of 'ev'" in result.stderr
    Path("ev.unfinished/mine.txt").rename("ev.unfinished/.imbtk-unfinished")
    result = call("evaluate", table_run, "new.csv", "--out", "ev", "-q")
    assert (result.exit_code, "--discard-unfinished" in result.stderr) == (2, True)
    assert call("evaluate", table_run, "new.csv", "--out", "ev", "-q", "--discard-unfinished").exit_code == 0
    assert sorted(entry.name for entry in Path().iterdir()) == ["ev", "new.csv"]


def test_an_incomplete_run_is_refused(call: Call, table_run: Path) -> None:
    shutil.copytree(table_run, "run")
    Path("run/predictions.csv").unlink()
    cohort(20, 0.5, 4).to_csv("new.csv", index=False)
    result = call("evaluate", "run", "new.csv", "-q")
    assert result.exit_code == 2
    assert "run lacks predictions.csv" in result.stderr


def test_the_default_folder_is_named_by_time_and_data(call: Call, table_run: Path) -> None:
    cohort(20, 0.5, 4).to_csv("my cohort.csv", index=False)
    assert call("evaluate", table_run, "my cohort.csv", "-q").exit_code == 0
    (folder,) = Path("evaluations").iterdir()
    assert folder.name.endswith("-my_cohort.csv")


SOURCE = '''"""Tables as lines of numbers, the class last: .cells files."""

from pathlib import Path

import torch

from imbtk import Dataset, hookimpl
from imbtk.errors import DataError


class Cells:
    name = "cells"
    summary = "a .cells file"

    def accepts(self, data, options):
        return str(data).endswith(".cells")

    def load(self, data, options, progress):
        rows = [line.split() for line in Path(data).read_text().splitlines()]
        if any(len(row) < 3 for row in rows):
            raise DataError(f"{data}: a line has no class.")
        names = sorted({row[2] for row in rows})
        x = torch.tensor([[float(value) for value in row[:2]] for row in rows])
        return Dataset(str(data), "table", x, torch.tensor([names.index(row[2]) for row in rows]), tuple(names))


@hookimpl
def imbtk_sources():
    return [Cells()]
'''


def test_what_a_plugin_reads_for_a_run_is_evaluated_and_predicted(call: Call) -> None:
    Path("cells.py").write_text(SOURCE)
    rng = np.random.default_rng(0)
    ill = np.arange(120) % 3 == 0
    x = rng.normal(size=(120, 2)) + 3.0 * ill[:, None]
    lines = [f"{a:.3f} {b:.3f} {'malignant' if c else 'benign'}" for (a, b), c in zip(x, ill, strict=True)]
    Path("train.cells").write_text("\n".join(lines))
    Path("new.cells").write_text("\n".join(line for line in lines if "malignant" in line))
    plugin = ("--plugin", "cells.py")
    done = call(
        "run", "train.cells", *plugin, "--model", "linear", "--epochs", 20, "--lr", 0.1, "--out", "r", "--quiet"
    )
    assert done.exit_code == 0, done.stderr
    assert call("evaluate", "r", "new.cells", *plugin, "--out", "ev", "--allow-seen", "--quiet").exit_code == 0
    document = json.loads(Path("ev/evaluation.json").read_text())
    assert (document["class_counts"], document["missing_classes"]) == ([0, 40], ["benign"])
    predicted = call("predict", "r", "new.cells", *plugin, "--quiet")
    assert predicted.exit_code == 0, predicted.stderr
    rows = list(csv.DictReader(predicted.stdout.splitlines()))
    assert [row["class"] for row in rows] == Predictor.load("r").predict(np.round(x[ill], 3)).tolist()
    for command in ("evaluate", "predict"):
        refused = call(command, "r", "new.cells")
        assert refused.exit_code == 2
        assert "say so here too: --plugin FILE.py" in " ".join(refused.stderr.split())
    Path("bare.cells").write_text("1.0 2.0\n")
    refused = call("predict", "r", "bare.cells", *plugin)
    assert refused.exit_code == 2
    assert "a line has no class. The source 'cells' of a plugin reads data as for training" in refused.stderr


def test_of_medmnist_the_test_part_is_evaluated_and_said(call: Call, image_run: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {}
    for part, rows in (("train", 4), ("val", 4), ("test", 20)):
        labels = np.arange(rows) % 2
        arrays[f"{part}_images"] = rng.normal(60 + 110 * labels[:, None, None, None], 30, (rows, 12, 12, 3)).clip(
            0, 255
        )
        arrays[f"{part}_images"] = arrays[f"{part}_images"].astype(np.uint8)
        arrays[f"{part}_labels"] = np.array(["benign", "malignant"])[labels][:, None]
    np.savez("data.npz", **arrays)
    result = call("evaluate", image_run, "data.npz", "--out", "ev")
    assert result.exit_code == 0, result.stderr
    assert "data.npz comes in parts: test_images is read, train_images, val_images is not" in result.stdout.replace(
        "\n", " "
    )
    assert json.loads(Path("ev/evaluation.json").read_text())["class_counts"] == [10, 10]
    lines = call("predict", image_run, "data.npz").stdout.splitlines()
    assert len(lines) == 21
