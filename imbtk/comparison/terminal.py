"""The table of a comparison on a terminal, to be read in ten seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from imbtk.comparison.settings import metric_in
from imbtk.comparison.table import (
    COSTS,
    best_places,
    column_name,
    difference_text,
    figure_texts,
    metrics_in,
    shown_classes,
    size_text,
)
from imbtk.comparison.words import model_commands, p_value
from imbtk.runs.format import REPORT
from imbtk.wording import one_line, several, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["print_table"]

WIDE = 96
"""From so many characters on a terminal shows the sensitivity of more than one class."""


def print_table(console: Console, document: Mapping[str, Any], folder: Path) -> None:
    """Print the table, best plan first, the best figure of each column marked.

    Parameters
    ----------
    console : rich.console.Console
    document : mapping
        As in ``comparison.json``.
    folder : Path
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("plan", min_width=14)
    primary, wide = document["primary"], console.width >= WIDE
    table.add_column(_broken(document["primary_name"]), justify="right", no_wrap=True)
    table.add_column("difference", justify="right", no_wrap=True)
    classes = shown_classes(document, 3 if wide else 1)
    for k in classes:
        of = shorten(document["data"]["class_names"][k], 11)
        table.add_column(f"sensit.\n{of}", justify="right", no_wrap=True)
    # What a rare positive costs: of two classes alone.
    costs = [metric for metric in COSTS if metric in metrics_in(document)][: None if wide else 1]
    for metric in costs:
        table.add_column(_broken(column_name(document, metric)), justify="right", no_wrap=True)
    if wide or not costs:
        table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("verdict", min_width=10)
    best = best_places(document)
    for row in document["rows"]:
        name = Text(one_line(row["name"]), style="bold" if row["name"] == best.get(primary) else "")
        if not row["complete"]:
            table.add_row(name, *[""] * (len(table.columns) - 2), Text(f"incomplete: {row['reason']}", style="red"))
            continue
        cells: list[Text] = [_two_lines(document, row["figures"][primary], row["name"] == best.get(primary))]
        value, interval = difference_text(document, row.get("difference"))
        cells.append(Text.assemble(value, (f"\n{interval}", "dim")))
        for k in classes:
            cells.append(
                _two_lines(document, row["per_class"][k]["sensitivity"], row["name"] == best.get(f"class:{k}"))
            )
        cells += [_two_lines(document, row["figures"][metric], False, metric) for metric in costs]
        if wide or not costs:
            cells.append(Text("–" if row["kind"] == "decision" else f"{row['cost']['seconds']:.3g}"))
        table.add_row(name, *cells, _verdict_text(row))
    data = document["data"]
    console.print()
    console.print(Text(f"{one_line(data['name'])}: {_protocol_line(document)}", style="bold"))
    console.print(table)
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
    console.print(Text("\nThe model, trained on all rows:", style="bold"))
    for what, command in model_commands(document, folder):
        console.print(Text.assemble(f"  {command}", (f"  # {what}", "dim")), soft_wrap=True)
    console.print(Text.assemble(("\nComparison ", "bold"), str(folder)), soft_wrap=True)
    console.print(Text.assemble(("Page ", "bold"), str(folder / REPORT)), soft_wrap=True)


def _broken(words: str) -> str:
    """Return words over some lines."""
    return "\n".join(wrap(words, 14, break_long_words=False))


def _two_lines(document: Mapping[str, Any], figure: Mapping[str, Any], best: bool, metric: str = "") -> Text:
    from rich.text import Text

    # A table that is read in ten seconds has two digits.
    value, interval = figure_texts(document, metric, figure, 2)
    return Text.assemble((value, "bold green" if best else ""), (f"\n{interval}", "dim"))


def _verdict_text(row: Mapping[str, Any]) -> Any:
    from rich.text import Text

    if row["kind"] == "baseline":
        return Text("baseline", style="dim")
    style = {"better": "bold green", "worse": "bold red"}.get(row["verdict"], "")
    return Text.assemble((row["verdict"], style), (f"\np {_p(row)}", "dim"))


def _p(row: Mapping[str, Any]) -> str:
    p = row["difference"].get("p_holm")
    return "–" if p is None else p_value(p)


def _protocol_line(document: Mapping[str, Any]) -> str:
    options = document["protocol"]
    repeats = f" x {options['repeats']} repeats" if options["repeats"] > 1 else ""
    return f"{options['folds']} folds{repeats}, {options['model']}, {options['epochs']} epochs"


def _foot(document: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Below each figure its 95 % interval over {document['unit']}s, given these trained models. Differences to the "
        f"baseline{' in points' if metric_in(document, document['primary']).share else ''}; p: permutation test, "
        "Holm-adjusted."
    ]
    found = [
        row["difference"]["detectable"] for row in document["rows"] if (row.get("difference") or {}).get("detectable")
    ]
    if found:
        lines.append(
            f"With 80 % power this comparison could have found differences of {size_text(document, min(found))}"
            + (f" to {size_text(document, max(found))}" if len(found) > 1 else "")
            + ", depending on the plan."
        )
    return lines


def _leak_lines(document: Mapping[str, Any]) -> list[str]:
    ungrouped = document["ungrouped"]
    if not ungrouped:
        return []
    if ungrouped["reason"]:
        return [f"Groups ignored: {ungrouped['reason']}."]
    lines = []
    for row in ungrouped["rows"]:
        if row["complete"]:
            by, between = difference_text(document, row["flatters_by"])
            unit = " points" if metric_in(document, document["primary"]).share else ""
            nouns = several(document["data"]["group_name"]).capitalize()
            lines.append(
                f"{nouns} ignored: '{row['name']}' would seem to reach {row['figure']['value']:.2f}, flattered by "
                f"{by}{unit}{f' ({between})' if between else ''}."
            )
    return lines
