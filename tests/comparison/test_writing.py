"""The document, its schema, the tables, the figures and the page of a finished comparison."""

from __future__ import annotations

import csv
import html
import io
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from imbtk.comparison import Comparison
from imbtk.comparison.comparison import make_comparison_report
from imbtk.comparison.grid import BASELINE
from imbtk.comparison.identity import PROTOCOL_FILE
from imbtk.comparison.table import best_places, csv_text, markdown_table
from imbtk.comparison.terminal import print_table
from imbtk.comparison.writing import comparison_schema
from imbtk.errors import RunFolderError


def test_the_document_keeps_its_schema(finished: Comparison) -> None:
    jsonschema.validate(finished.document, comparison_schema())


def test_the_schema_refuses_what_is_not_in_it(finished: Comparison) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**finished.document, "surprise": 1}, comparison_schema())


def test_rows_are_best_first_with_differences_to_the_baseline(finished: Comparison) -> None:
    rows = finished.document["rows"]
    values = [row["figures"]["balanced_accuracy"]["value"] for row in rows]
    assert values == sorted(values, reverse=True)
    base = next(row for row in rows if row["name"] == BASELINE)
    assert "difference" not in base
    for row in rows:
        if row is base:
            continue
        difference = row["difference"]["value"]
        expected = row["figures"]["balanced_accuracy"]["value"] - base["figures"]["balanced_accuracy"]["value"]
        assert difference == pytest.approx(expected)
        assert row["difference"]["p_holm"] >= row["difference"]["p"]
        assert row["equivalence"]["p_equivalent_holm"] >= row["equivalence"]["p_equivalent"]


def test_the_interaction_is_what_the_pair_adds(finished: Comparison) -> None:
    (found,) = finished.document["interactions"]
    assert found["pair"] == "class-weights focal-loss"
    assert found["value"] == pytest.approx(found["together"] - sum(found["alone"]))
    assert found["words"].startswith("'class-weights' and 'focal-loss' together: ")


def test_the_leak_is_paired_over_patients(finished: Comparison) -> None:
    rows = {row["name"]: row for row in finished.document["rows"]}
    leak = finished.document["ungrouped"]["rows"]
    assert {row["name"] for row in leak} == set(rows)
    for row in leak:
        honest = rows[row["name"]]["figures"]["balanced_accuracy"]["value"]
        assert row["flatters_by"]["value"] == pytest.approx(row["figure"]["value"] - honest)


def test_few_groups_are_flagged_and_the_condition_is_said(finished: Comparison) -> None:
    document = finished.document
    assert any("class 'ill' has 7 patients, fewer than 20" in warning for warning in document["warnings"])
    assert document["conditional_on"].startswith("given these trained models")


def test_csv_has_one_line_a_plan_with_the_baseline_among_them(finished: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text(finished.document))))
    assert len(lines) == len(finished.document["rows"])
    assert sum(line["plan"] == "baseline" for line in lines) == 1
    for line, row in zip(lines, finished.document["rows"], strict=True):
        assert float(line["balanced_accuracy"]) == row["figures"]["balanced_accuracy"]["value"]


def test_markdown_marks_the_best_of_each_column(finished: Comparison) -> None:
    lines = markdown_table(finished.document).split("\n")
    assert lines[0].startswith("| plan | balanced accuracy |")
    assert len(lines) == 2 + len(finished.document["rows"])
    assert lines[2].split(" | ")[1].startswith("**")


def test_best_is_lowest_for_losses(finished: Comparison) -> None:
    rows, best = finished.document["rows"], best_places(finished.document)
    lowest = min(rows, key=lambda row: row["figures"]["log_loss"]["value"])
    assert best["log_loss"] == lowest["name"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_table_fits(finished: Comparison, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(console, finished.document, finished.folder)
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.split("\n") if str(finished.folder) not in line) <= width
    for word in ("baseline", "difference", "verdict", "Holm-adjusted", "Patients ignored:", "class-weights"):
        assert word in text
    assert "…" not in text.split("Below each figure")[0]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.sources += [value for key, value in found.items() if key in ("src", "href") and value]
        if tag == "section" and found.get("id"):
            self.anchors.append(str(found["id"]))


def test_the_page_is_self_contained_and_has_every_part(finished: Comparison) -> None:
    page = _Page()
    text = (finished.folder / "report.html").read_text(encoding="utf-8")
    page.feed(text)
    assert all(source.startswith("#") for source in page.sources)
    assert page.anchors == [
        "table", "differences", "classes", "probabilities", "cost", "pairs", "ungrouped", "methods", "warnings",
    ]  # fmt: skip
    assert text.count("<svg") == 6
    for sentence in finished.document["methods"]:
        assert sentence in html.unescape(text)


def test_figures_from_python(finished: Comparison) -> None:
    for name in ("forest", "sensitivities", "confusions", "roc", "reliability", "cost"):
        assert isinstance(getattr(finished, f"plot_{name}")(), Figure)


def test_the_report_is_made_anew_from_the_folder_alone(finished: Comparison, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    for name in ("comparison.json", "report.html"):
        (copy / name).unlink()
    assert make_comparison_report(copy) == copy / "report.html"
    assert json.loads((copy / "comparison.json").read_text()) == finished.document


def test_a_comparison_of_another_imbtk_or_none(finished: Comparison, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no comparison: it has no protocol\.json\."):
        make_comparison_report(tmp_path)
    protocol = json.loads((finished.folder / PROTOCOL_FILE).read_text())
    (tmp_path / PROTOCOL_FILE).write_text(json.dumps({**protocol, "schema_version": 99}))
    with pytest.raises(RunFolderError, match=r"was written by a newer imbtk\. Upgrade imbtk"):
        make_comparison_report(tmp_path)
    (tmp_path / PROTOCOL_FILE).write_text("{")
    with pytest.raises(RunFolderError, match="cannot be read as JSON"):
        make_comparison_report(tmp_path)


def test_without_its_baseline_nothing_can_be_judged(finished: Comparison, tmp_path: Path) -> None:
    (tmp_path / PROTOCOL_FILE).write_text((finished.folder / PROTOCOL_FILE).read_text())
    with pytest.raises(RunFolderError, match="cannot be judged, and every plan is compared with it: 0 of 6 cells are"):
        make_comparison_report(tmp_path)
