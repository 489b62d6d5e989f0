"""The table as CSV, as Markdown, and what is best in it."""

from __future__ import annotations

import csv
import io

from imbtk.comparison import columns
from imbtk.comparison.comparison import Comparison
from imbtk.comparison.table import csv_text, markdown_table


def test_csv_has_one_line_a_plan_with_the_baseline_among_them(finished: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text(finished.document))))
    assert len(lines) == len(finished.document["rows"])
    assert sum(line["plan"] == "baseline" for line in lines) == 1
    for line, row in zip(lines, finished.document["rows"], strict=True):
        assert float(line["balanced_accuracy"]) == row["figures"]["balanced_accuracy"]["value"]


def test_markdown_marks_the_best_of_each_column(finished: Comparison) -> None:
    lines = markdown_table(finished.document).split("\n")
    assert {"alarms per 1,000 rows", "alarms per 1,000 images"} & {cell.strip() for cell in lines[0].split("|")}
    assert lines[0].startswith("| plan | balanced accuracy |")
    assert len(lines) == 2 + len(finished.document["rows"])
    assert lines[2].split(" | ")[1].startswith("**")


def test_the_markdown_file_says_what_must_be_known_of_the_table(finished: Comparison) -> None:
    text = (finished.folder / "comparison.md").read_text(encoding="utf-8")
    table, below = text.split("\n\n")
    assert table == markdown_table(finished.document)
    assert below.startswith("- In brackets 95 % intervals over patients, given these trained models")
    assert len(finished.document["warnings"]) > 0
    assert [line[2:].lower().rstrip(".") for line in below.strip().split("\n")[1:]] == [
        text.lower() for text in finished.document["warnings"]
    ]


def test_best_is_lowest_for_losses(finished: Comparison) -> None:
    rows, shown = finished.document["rows"], columns.of(finished.document, ["log_loss"])
    lowest = min(rows, key=lambda row: row["figures"]["log_loss"]["value"])
    assert [row["name"] for row in rows if columns.cells(shown, row)[0].tone == "best"] == [lowest["name"]]
