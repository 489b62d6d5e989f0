"""The curves of a level come from its predictions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score

from imbtk.report.blocks import Details, Plot, Table, Text
from imbtk.report.curve_sections import curves_section
from imbtk.report.drawings import Drawings
from imbtk.runs.reading import read_run


def columns(drawings: Drawings, name: str) -> dict[str, list[str]]:
    rows = list(csv.DictReader(io.StringIO(drawings.files[f"{name}.csv"].decode())))
    return {key: [row[key] for row in rows] for key in rows[0]}


def test_area_under_the_drawn_points_is_the_auroc(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=300, patients=80))
    drawings = Drawings()
    section = curves_section(record, drawings)
    assert sum(isinstance(block, Plot) for block in section.blocks) == 6
    side = record.predictions["test"]
    points = columns(drawings, "roc_test_per_row")
    area = auc(np.array(points["false_positive_rate"], float), np.array(points["sensitivity"], float))
    assert area == pytest.approx(roc_auc_score(side.truth == 1, side.probabilities[:, 1]), abs=0.005)
    assert set(points["class"]) == {"b"}
    bins = columns(drawings, "reliability_test_per_row")
    assert sum(map(int, bins["count"])) == len(side.truth)


def test_thresholds_and_the_decision_stand_beside_the_curves(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=300, patients=80))
    drawings = Drawings()
    blocks = curves_section(record, drawings).blocks
    folded = [block for block in blocks if isinstance(block, Details)]
    table = folded[-1].blocks[0]
    assert isinstance(table, Table)
    side = record.predictions["test"]
    called, truth = side.predicted == 1, side.truth == 1
    shown = [cell.text for cell in table.rows[0]]
    assert shown[0] == "as decided"
    assert shown[1:] == [
        f"{called[truth].mean():.3f}",
        f"{(~called)[~truth].mean():.3f}",
        f"{truth[called].mean():.3f}",
        f"{1000 * called.mean():.1f}",
    ]
    assert any("Dots: the decision." in block.caption for block in blocks if isinstance(block, Plot))


def test_more_classes_than_colours(make_run: Callable[..., Path]) -> None:
    drawings = Drawings()
    curves_section(read_run(make_run(classes=9, rows=300)), drawings)
    assert len(set(columns(drawings, "precision_recall_test_per_row")["class"])) == 9
    assert b"the most" in drawings.files["reliability_test_per_row.svg"]


def test_one_class_alone_has_no_curve(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=100)
    lines = (folder / "predictions.csv").read_text().splitlines()
    kept = [lines[0], *(line for line in lines[1:] if line.split(",")[3] == "a")]
    (folder / "predictions.csv").write_text("\n".join(kept))
    drawings = Drawings()
    section = curves_section(read_run(folder), drawings)
    assert section.blocks[1] == Text("Test, per image: only one class has cases, so there are no curves.", "quiet")
    assert drawings.files == {}
