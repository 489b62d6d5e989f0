"""The table of a comparison on a terminal, to be read in ten seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imbtk.comparison import columns
from imbtk.comparison.columns import Column, TableCell, detectable_text, difference_text
from imbtk.comparison.config import metric_in
from imbtk.comparison.words import model_commands, row_noun, unit_noun
from imbtk.runs.format import REPORT
from imbtk.wording import one_line, several, shorten

__all__ = ["print_table"]

WIDE = 120
"""From so many characters on a terminal shows the sensitivity of more than one class."""

_STYLES = {
    "best": "bold green",
    "leading": "bold",
    "better": "bold green",
    "worse": "bold red",
    "baseline": "dim",
    "incomplete": "red",
}


def print_table(console: Console, document: Mapping[str, Any], folder: Path) -> None:
    """Print the table, best plan first, the best metric of each column marked.

    Parameters
    ----------
    console : rich.console.Console
    document : mapping
        As in ``comparison.json``.
    folder : Path
    """
    data = document["data"]
    console.print()
    console.print(Text(f"{one_line(data['name'])}: {_protocol_line(document)}", style="bold"))
    console.print(_table(document, "wide" if console.width >= WIDE else "narrow"))
    for line in _foot(document):
        console.print(Text(line, style="dim"))
    for row in document["interactions"]:
        console.print(Text(row["words"]))
    for line in _leak_lines(document):
        console.print(Text(line))
    for left in document["left_out"]:
        console.print(Text(f"left out: '{left['plan']}': {left['reason']}", style="dim"))
    for warning in document["warnings"]:
        console.print(Text.assemble(("! ", "bold yellow"), one_line(warning)))
    console.print(Text(f"\nThe model, trained on all {several(row_noun(data))}:", style="bold"))
    for what, command in model_commands(document, folder):
        console.print(Text.assemble(f"  {command}", (f"  # {what}", "dim")), soft_wrap=True)
    console.print(Text.assemble(("\nComparison ", "bold"), str(folder)), soft_wrap=True)
    console.print(Text.assemble(("Page ", "bold"), str(folder / REPORT)), soft_wrap=True)


def _table(document: Mapping[str, Any], where: Literal["wide", "narrow"]) -> Table:
    table, shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1)), columns.of_table(document, where)
    for column in shown:
        if column.look == "number":
            table.add_column(_heading(column), justify="right", no_wrap=True)
        else:
            table.add_column(_heading(column), min_width={"plan": 14, "verdict": 10}[column.key])
    for row in document["rows"]:
        table.add_row(*map(_text, columns.cells(shown, row)))
    return table


def _heading(column: Column) -> str:
    """Return a heading over some lines."""
    if column.of:
        return f"sensit.\n{shorten(column.of, 11)}"
    return "\n".join(wrap(column.heading, 14, break_long_words=False))


def _text(cell: TableCell) -> Text:
    return Text.assemble((cell.text, _STYLES.get(cell.tone, "")), (f"\n{cell.below}" if cell.below else "", "dim"))


def _protocol_line(document: Mapping[str, Any]) -> str:
    options = document["protocol"]
    repeats = f" x {options['repeats']} repeats" if options["repeats"] > 1 else ""
    return f"{options['folds']} folds{repeats}, {options['model']}, {options['epochs']} epochs"


def _foot(document: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Below each metric its 95 % interval over {several(unit_noun(document))}, given these trained models. "
        f"Differences to the baseline{' in points' if metric_in(document, document['primary']).share else ''}; "
        "p: permutation test, Holm-adjusted."
    ]
    if found := detectable_text(document):
        lines.append(f"With 80 % power this comparison could have found differences of {found}, depending on the plan.")
    return lines


def _leak_lines(document: Mapping[str, Any]) -> list[str]:
    ungrouped = document["ungrouped"]
    if not ungrouped:
        return []
    if ungrouped["reason"]:
        return [f"Groups ignored: {ungrouped['reason']}."]
    unit = " points" if metric_in(document, document["primary"]).share else ""
    nouns = several(document["data"]["group_name"]).capitalize()
    rows = [row for row in ungrouped["rows"] if row["complete"]]
    pairs = [(row, difference_text(document, row["flatters_by"])) for row in rows]
    return [
        f"{nouns} ignored: '{row['name']}' would seem to reach {row['figure']['value']:.2f}, flattered by "
        f"{by}{unit}{f' ({between})' if between else ''}."
        for row, (by, between) in pairs
    ]
