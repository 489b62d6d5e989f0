"""What is known of a model that was trained on all rows: what a comparison found of models of the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imbtk.evaluation.estimate import estimate_words
from imbtk.report.blocks import Block, Cell, Section, Table, Text, Tile, name_cell
from imbtk.runs.reading import RunRecord
from imbtk.wording import interval_text, one_line, plural, sentence, several, shorten, value_text

__all__ = ["estimate_section", "estimate_tiles"]


def estimate_tiles(record: RunRecord, found: Mapping[str, Any]) -> list[Tile]:
    """Return the primary metric and the sensitivities of up to three classes, as estimated."""
    primary = next(figure for figure in found["figures"] if figure["metric"] == found["primary"])
    tiles = [_tile(primary["name"].capitalize(), primary)]
    if record.num_classes <= 3:
        for entry in found["per_class"]:
            tiles.append(_tile(f"Sensitivity, {shorten(entry['name'], 22)}", entry["sensitivity"]))
    return tiles


def _tile(label: str, figure: Mapping[str, Any]) -> Tile:
    return Tile(label, value_text(figure), (interval_text(figure) or "no interval", "estimate of the comparison"))


def estimate_section(found: Mapping[str, Any]) -> Section:
    """Return all metrics of the comparison's row with their intervals, and what they are."""
    head = (Cell("Figure"), Cell("Estimate", look="number"), Cell("95 % interval", look="number"))
    lines: list[tuple[Cell, ...]] = [_line(Cell(figure["name"]), figure) for figure in found["figures"]]
    lines += [_line(name_cell(f"Sensitivity, {entry['name']}"), entry["sensitivity"]) for entry in found["per_class"]]
    blocks: tuple[Block, ...] = (
        Text(estimate_words(found)),
        Table(head, tuple(lines)),
        Text(
            f"Row “{one_line(found['row'])}” of the comparison in {one_line(found['comparison'])}; intervals over "
            f"{several(found['unit'])}. These metrics are {sentence(found['conditional_on'])[0].lower()}"
            f"{sentence(found['conditional_on'])[1:]} Probabilities and the decision were fitted on what the models of "
            f"the first repeat said of rows that they had not seen: {plural(found['models'], 'model')}.",
            "quiet",
        ),
    )
    return Section("What to expect", "estimate", blocks)


def _line(name: Cell, figure: Mapping[str, Any]) -> tuple[Cell, ...]:
    return name, Cell(value_text(figure), look="number"), Cell(interval_text(figure), look="number")
