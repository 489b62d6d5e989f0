"""The verdict, the tiles, the warnings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imbtk.report.blocks import Text
from imbtk.report.headline import headline_tiles, verdict_sentences, warnings_of
from imbtk.runs.reading import read_run


def test_verdict_counts_what_the_matrix_counts(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["benign", "malignant"], rows=300, patients=80))
    level = record.metrics["test"]["per_group"]
    counts = np.array(level["confusion_matrix"]["counts"])
    (block,) = verdict_sentences(record)
    assert isinstance(block, Text)
    assert (
        f"Of {counts[1].sum()} test patients of “malignant”, the rare class, the model finds {counts[1, 1]}"
        in block.text
    )
    most = max(counts.sum(1))
    assert f"would be right for {most} of {counts.sum()} patients, and reach a balanced accuracy of 0.50." in block.text


def test_tiles_lead_with_patients(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["benign", "malignant"], rows=300, patients=80))
    tiles = headline_tiles(record).tiles
    assert [tile.label for tile in tiles] == [
        "Images",
        "Balanced accuracy",
        "Sensitivity, malignant",
        "Specificity, malignant",
        "AUROC (malignant)",
    ]
    balanced = record.metrics["test"]["per_group"]["overall"]["balanced_accuracy"]
    assert float(tiles[1].value) == pytest.approx(balanced["value"], abs=0.006)
    assert tiles[1].lines[1] == "test, per patient"
    assert tiles[1].lines[2].startswith("per image ")
    assert tiles[2].rare


def test_worst_class_of_many(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=6, rows=400))
    labels = [tile.label for tile in headline_tiles(record).tiles]
    values = [f["sensitivity"]["value"] for f in record.metrics["test"]["per_row"]["per_class"]]
    worst = int(np.argmin(values))
    assert labels[3] == ("Macro F1" if worst == 5 else f"Worst sensitivity: class {worst}")


def test_a_missing_figure_shows_its_reason(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=80)
    document = json.loads((folder / "metrics.json").read_text())
    missing = {"value": None, "reason": "class 'x' has no rows"}
    document["test"]["per_row"]["overall"]["auroc"] = missing
    (folder / "metrics.json").write_text(json.dumps(document))
    tile = headline_tiles(read_run(folder)).tiles[-1]
    assert (tile.value, tile.title, tile.lines[0]) == ("–", "class 'x' has no rows", "no interval")


def test_warnings_once_each(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(rows=200, patients=60))
    assert warnings_of(record) == [
        "Class weights and oversampling act together.",
        "Test images: only 7 patients of 'class 1'.",
        "Validation images: only 7 patients of 'class 1'.",
    ]
