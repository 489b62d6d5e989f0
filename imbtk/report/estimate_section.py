"""What is known of a model that was trained on all rows: what a comparison found of models of the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imbtk.report.blocks import Block, Cell, Section, Table, Text, Tile, name_cell
from imbtk.report.record import RunRecord
from imbtk.report.wording import figure_text, interval_text, one_line, plural, sentence, shorten, value_text
from imbtk.wording import several

__all__ = ["estimate_of", "estimate_section", "estimate_tiles", "estimate_words"]


def estimate_of(metrics: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the estimate in a ``metrics.json``; None where the run has rows of its own to be tested on."""
    found: Mapping[str, Any] | None = metrics.get("estimate")
    return found


def estimate_words(found: Mapping[str, Any]) -> str:
    """Return in a paragraph what the estimate is, and of what."""
    primary = next(figure for figure in found["figures"] if figure["metric"] == found["primary"])
    times = f", {found['repeats']} times" if found["repeats"] > 1 else ""
    verdict = f" The comparison's verdict, against doing nothing: {found['verdict']}." if found["verdict"] else ""
    return (
        f"This model was trained on all rows, so no row is left to test it on. Its estimate is the comparison's, of "
        f"models of the same plan that were each trained on part of the rows and tested on the others "
        f"({found['folds']} folds{times}): {primary['name']} {figure_text(primary)}."
        f"{verdict}"
    )


def estimate_tiles(record: RunRecord, found: Mapping[str, Any]) -> list[Tile]:
    """Return the primary figure and the sensitivities of up to three classes, as estimated."""
    primary = next(figure for figure in found["figures"] if figure["metric"] == found["primary"])
    tiles = [_tile(primary["name"].capitalize(), primary)]
    if record.num_classes <= 3:
        for entry in found["per_class"]:
            tiles.append(_tile(f"Sensitivity, {shorten(entry['name'], 22)}", entry["sensitivity"]))
    return tiles


def _tile(label: str, figure: Mapping[str, Any]) -> Tile:
    return Tile(label, value_text(figure), (interval_text(figure) or "no interval", "estimate of the comparison"))


def estimate_section(found: Mapping[str, Any]) -> Section:
    """Return all figures of the comparison's row with their intervals, and what they are."""
    head = (Cell("Figure"), Cell("Estimate", look="number"), Cell("95 % interval", look="number"))
    lines: list[tuple[Cell, ...]] = [_line(Cell(figure["name"]), figure) for figure in found["figures"]]
    lines += [_line(name_cell(f"Sensitivity, {entry['name']}"), entry["sensitivity"]) for entry in found["per_class"]]
    blocks: tuple[Block, ...] = (
        Text(estimate_words(found)),
        Table(head, tuple(lines)),
        Text(
            f"Row “{one_line(found['row'])}” of the comparison in {one_line(found['comparison'])}; intervals over "
            f"{several(found['unit'])}. These figures are {sentence(found['conditional_on'])[0].lower()}"
            f"{sentence(found['conditional_on'])[1:]} Probabilities and the decision were fitted on what the models of "
            f"the first repeat said of rows that they had not seen: {plural(found['models'], 'model')}.",
            "quiet",
        ),
    )
    return Section("What to expect", "estimate", blocks)


def _line(name: Cell, figure: Mapping[str, Any]) -> tuple[Cell, ...]:
    return name, Cell(value_text(figure), look="number"), Cell(interval_text(figure), look="number")
