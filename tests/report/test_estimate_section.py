"""What a comparison found, on the page of a model that was trained on all rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from imbtk.report.blocks import Table, Text
from imbtk.report.estimate_section import estimate_section, estimate_tiles


def figure(metric: str, name: str, value: float | None) -> dict[str, Any]:
    if value is None:
        return {"metric": metric, "name": name, "value": None, "reason": "no rows"}
    return {"metric": metric, "name": name, "value": value, "interval": [value - 0.1, value + 0.05]}


FOUND: dict[str, Any] = {
    "primary": "balanced_accuracy",
    "figures": [figure("balanced_accuracy", "balanced accuracy", 0.8), figure("log_loss", "log-loss", 0.45)],
    "per_class": [
        {"name": "benign", "sensitivity": figure("sensitivity", "sensitivity", 0.9)},
        {"name": "<ill>", "sensitivity": figure("sensitivity", "sensitivity", 0.7)},
    ],
    "row": "class-weights", "comparison": "comparisons/study", "unit": "patient",
    "models": 10, "folds": 5, "repeats": 2, "verdict": None, "conditional_on": "Conditional on these data.",
}  # fmt: skip


def record(classes: int) -> Any:
    return SimpleNamespace(num_classes=classes)


def test_tiles_say_the_primary_figure_and_the_sensitivity_of_few_classes() -> None:
    tiles = estimate_tiles(record(2), FOUND)
    assert [tile.label for tile in tiles] == ["Balanced accuracy", "Sensitivity, benign", "Sensitivity, <ill>"]
    assert [tile.value for tile in tiles] == ["0.80", "0.90", "0.70"]
    assert tiles[0].lines == ("0.70–0.85", "estimate of the comparison")
    assert len(estimate_tiles(record(4), FOUND)) == 1


def test_a_figure_that_is_missing_has_no_interval() -> None:
    found = {**FOUND, "figures": [figure("balanced_accuracy", "balanced accuracy", None)]}
    (tile,) = estimate_tiles(record(4), found)
    assert tile.lines[0] == "no interval"


def test_the_section_has_every_figure_and_says_what_they_are() -> None:
    section = estimate_section(FOUND)
    words, table, source = section.blocks
    assert isinstance(words, Text)
    assert isinstance(table, Table)
    assert isinstance(source, Text)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["balanced accuracy", "0.80", "0.70–0.85"],
        ["log-loss", "0.45", "0.35–0.50"],
        ["Sensitivity, benign", "0.90", "0.80–0.95"],
        ["Sensitivity, <ill>", "0.70", "0.60–0.75"],
    ]
    assert "(5 folds, 2 times)" in words.text
    assert "Row “class-weights” of the comparison in comparisons/study; intervals over patients." in source.text
    assert "These metrics are conditional on these data." in source.text
    assert source.text.endswith("rows that they had not seen: 10 models.")
