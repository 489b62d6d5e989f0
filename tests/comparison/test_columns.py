"""The columns of a comparison's tables, and what every rendering makes of their cells."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import pytest
from rich.console import Console

from imbtk.comparison import columns
from imbtk.comparison.comparison import Comparison
from imbtk.comparison.page_tables import page_table
from imbtk.comparison.table import html_table, markdown_table, records
from imbtk.comparison.terminal import print_table


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("narrow", "plan balanced_accuracy difference class:1 precision verdict"),
        ("wide", "plan balanced_accuracy difference class:0 class:1 precision alarm_rate seconds verdict"),
        (
            "page",
            "plan verdict balanced_accuracy difference class:0 class:1 precision alarm_rate auroc log_loss",
        ),
    ],
)
def test_each_rendering_has_its_columns(
    finished: Comparison, where: Literal["narrow", "wide", "page"], keys: str
) -> None:
    assert [column.key for column in columns.of_table(finished.document, where)] == keys.split()


def test_one_figure_a_column_is_best_and_alarms_never_are(finished: Comparison) -> None:
    for key in (*columns.metrics_in(finished.document), "class:0"):
        (column,) = columns.of(finished.document, [key])
        tones = [column.cell(row).tone for row in finished.document["rows"]]
        assert tones.count("best") == (key != "alarm_rate")


def incomplete(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one row that has no metrics."""
    row = {"name": "some | <plan>", "kind": "plan", "complete": False, "reason": "a fold failed"}
    return {**document, "rows": [*document["rows"][:-1], row]}


def test_a_row_without_figures_says_why_wherever_it_stands(finished: Comparison) -> None:
    document = incomplete(finished.document)
    console = Console(width=140, record=True, file=io.StringIO())
    print_table(console, document, Path("study"))
    for text in (console.export_text(), markdown_table(document), html_table(document)):
        assert "incomplete: a fold failed" in " ".join(text.split())
    assert records(document)[-1]["verdict"] == "incomplete"
    assert set(records(document)[-1].values()) == {"some | <plan>", "incomplete", "a fold failed", None}


def test_names_are_escaped_as_each_rendering_needs(finished: Comparison) -> None:
    document = incomplete(finished.document)
    assert "| some \\| <plan> |" in markdown_table(document)
    assert "<td>some | &lt;plan&gt;</td>" in html_table(document)


def test_the_page_marks_the_best_with_a_star(finished: Comparison) -> None:
    table = page_table(columns.of(finished.document, ["plan", "auroc"]), finished.document["rows"])
    assert [cell.look for cell in table.head] == ["text", "number"]
    assert sum(row[1].text.startswith("★ ") for row in table.rows) == 1


def test_moving_the_decision_has_no_seconds_and_the_baseline_no_p(finished: Comparison) -> None:
    seconds, p = columns.of(finished.document, ["seconds", "p_holm"])
    rows = {row["kind"]: row for row in finished.document["rows"]}
    assert seconds.cell(rows["decision"]).text == "–"
    assert p.cell(rows["baseline"]).text == ""
    assert p.cell(rows["plan"]).text not in ("", "–")
