"""Tables and figures of what the model gets right and wrong."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from imbtk.report.blocks import Details, Plot, Section, Table, Text
from imbtk.report.drawings import Drawings
from imbtk.report.levels import levels_of
from imbtk.report.result_sections import confusion_section, learning_section, overall_table, per_class_table
from imbtk.runs.reading import read_run
from imbtk.wording import metric_text


def test_per_class_table_has_support_figures_and_intervals(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=200, patients=50))
    level = levels_of(record, "test")[0]
    table = per_class_table(record, level)
    assert [cell.text for cell in table.head[:3]] == ["Class", "Images", "Sensitivity"]
    figures = level.metrics["per_class"][1]
    row = table.rows[1]
    assert row[0].rare
    assert row[1].text == str(figures["support"])
    assert row[1].sub.endswith("patients")
    assert f"{row[2].text} ({row[2].sub})" == metric_text(figures["sensitivity"])


def test_figures_that_cannot_be_computed_say_why(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(rows=100))
    table = overall_table(levels_of(record, "test"))
    cells = {row[0].text: row[1] for row in table.rows}
    assert cells["Macro calibration error"].text == "–"
    assert cells["Macro calibration error"].title == "a class has no rows"
    assert "Coverage" not in cells
    assert "Few-shot" not in cells


def test_abstentions_and_plugin_figures_are_shown(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=100)
    document = json.loads((folder / "metrics.json").read_text())
    level = document["test"]["per_row"]
    level["abstained"] = 3
    level["extra"] = {"my <score>": {"value": 0.5, "interval": None, "n": 40, "groups": None, "method": None}}
    (folder / "metrics.json").write_text(json.dumps(document))
    record = read_run(folder)
    names = [row[0].text for row in overall_table(levels_of(record, "test")).rows]
    assert {"Coverage", "my <score>"} <= set(names)
    texts = [b.text for b in confusion_section(record, Drawings()).blocks if isinstance(b, Text)]
    assert "3 images left to a human, not in the matrix." in texts


def test_confusion_data_are_the_counts(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=8, rows=200))
    drawings = Drawings()
    section = confusion_section(record, drawings)
    rows = list(csv.reader(io.StringIO(drawings.files["confusion_test_per_row.csv"].decode())))
    counts = record.metrics["test"]["per_row"]["confusion_matrix"]["counts"]
    assert [[int(v) for v in row[1:]] for row in rows[1:]] == counts
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    worst = max(counts[i][j] for i in range(8) for j in range(8) if i != j)
    assert table.rows[0][2].text == str(worst)
    (validation,) = [block for block in section.blocks if isinstance(block, Details)]
    assert all(isinstance(block, Plot) for block in validation.blocks)


def test_a_run_without_history(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=50)
    (folder / "history.csv").write_text("epoch,train_loss\n")
    section = learning_section(read_run(folder), Drawings())
    assert section == Section("Learning", "learning", (Text("The run kept no history of its epochs.", "quiet"),))
