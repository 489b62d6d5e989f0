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

from imbtk.inference.predictor import Predictor

Call = Callable[..., Result]
Cohort = Callable[..., pd.DataFrame]


def test_patients_of_both_classes_are_evaluated_per_row_unless_told(
    call: Call, table_run: Path, mixed: pd.DataFrame
) -> None:
    mixed.to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", "--out", "rows")
    assert result.exit_code == 0, result.stderr
    assert "Test, per patient" not in result.stdout
    assert "! no metrics per patient: " in result.stdout
    rule = ("--group-label", "any:malignant", "--group-name", "person")
    result = call("evaluate", table_run, "new.csv", *rule, "--out", "people")
    assert result.exit_code == 0, result.stderr
    assert "Test, per person (24 persons)" in result.stdout
    assert "24 people" not in result.stdout


def test_json_is_what_stands_in_the_folder(call: Call, table_run: Path, cohort: Cohort) -> None:
    cohort(120, 0.5, 1).to_csv("new.csv", index=False)
    result = call("evaluate", table_run, "new.csv", "--out", "ev", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["metrics"] == json.loads(Path("ev/metrics.json").read_text())
    assert document["metrics"]["test"]["per_group"]["n"] == 60


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


def test_frequencies_are_estimated_without_labels(call: Call, table_run: Path, cohort: Cohort) -> None:
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


def test_labels_check_the_estimate_and_other_rows_break_the_assumption(
    call: Call, table_run: Path, cohort: Cohort
) -> None:
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
    ("arguments", "message"),
    [
        (["--label-column", "lable"], "new.csv has no column 'lable' (--label-column)"),
        (["--out", "."], "the folder '.' exists already, and is not overwritten."),
        (["--deploy", "benign=0.2,malignant=0.2"], "sum to 0.4 instead of 1"),
    ],
)
def test_mistakes_end_with_2_and_leave_no_folder(
    call: Call, table_run: Path, arguments: list[str], message: str
) -> None:
    frame = pd.DataFrame({"size": [0, 2], "colour": ["red", "blue"], "label": ["benign", "malignant"]})
    frame.to_csv("new.csv", index=False)
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


def test_what_is_unfinished_is_deleted_only_when_asked(call: Call, table_run: Path, cohort: Cohort) -> None:
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
