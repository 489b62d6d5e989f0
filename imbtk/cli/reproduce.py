"""``imbtk reproduce``: a published table trained again."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import click

from imbtk.cli.flags import Flag, SectionedCommand, plugin_flag
from imbtk.cli.loading import loading
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.recipes import read_recipes
from imbtk.errors import OptionError

__all__ = ["command"]


def reproduce(
    name: str | None,
    data: str | None,
    rows: str | None,
    epochs: int | None,
    seed: int,
    out: str | None,
    device: str,
    plugin_files: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the rows of a published table, and print ours beside the published figures; without NAME, list the tables.

    As in published code the best epoch is chosen on the test rows, which makes it too good; the last one is not chosen.
    Rows whose strategies are not installed are listed and not trained.

    \b
    imbtk reproduce
    imbtk reproduce NAME --data FOLDER
    imbtk reproduce NAME --data FOLDER --rows ROW,ROW --epochs 20   # a shortened version, and says so
    """
    if name is None:
        _print_tables(plugin_files)
        return
    if data is None:
        raise OptionError(f"say where the data of '{name}' are: --data FOLDER.")
    with loading():
        from imbtk.comparison.reproduction import reproduce as train

    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        document = train(
            name,
            data,
            rows=[row.strip() for row in rows.split(",") if row.strip()] if rows else (),
            epochs=epochs,
            seed=seed,
            out=out,
            device=device,
            plugins=plugin_files,
            quiet=quiet or as_json,
        )
    if as_json:
        click.echo(json.dumps(document))
    elif not quiet:
        _print_document(document)


def _print_tables(plugin_files: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    tables = read_recipes(Catalogue(plugin_files)).tables
    for name, table in tables.items():
        console.print(Text(name, "cyan"), Text(table.summary))
        console.print(Text(f"  takes {table.data}; rows: {', '.join(table.rows)}", "dim"))
    if not tables:
        console.print(Text("No plugin offers a published table."))
    console.print(Text("\nOne of them:  imbtk reproduce NAME --data FOLDER"))


def _print_document(document: dict[str, Any]) -> None:
    """Print the table; figures are accuracies on the test rows, in percent."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print()
    console.print(Text(f"{document['table']}: {document['summary']}", "bold"))
    if document["epochs"] != document["published_epochs"]:
        console.print(
            Text(
                f"A SHORTENED VERSION: epochs {document['epochs']}, published with {document['published_epochs']}. It "
                "reproduces nothing, and its figures are not to be compared with the published ones.",
                "bold yellow",
            )
        )
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("row", no_wrap=True)
    for title in ("best epoch", "last epoch", "published"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("source, or why not")
    for row in document["rows"]:
        said = "; ".join(text for text in (row["reason"], row["source"], row["note"]) if text)
        table.add_row(Text(row["name"]), *(_percent(row[key]) for key in ("best", "last", "published")), Text(said))
    console.print(table)
    for note in document["notes"]:
        console.print(Text(note, "dim"))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


_SECTION = "Options"

command = SectionedCommand(
    "reproduce",
    callback=reproduce,
    params=[
        click.Argument(["name"], required=False, metavar="[NAME]"),
        Flag(["--data"], section=_SECTION, type=click.Path(), metavar="FOLDER", help="The data of the table."),
        Flag(["--rows"], section=_SECTION, metavar="ROW,ROW", help="Only these rows of the table."),
        Flag(
            ["--epochs"],
            section=_SECTION,
            type=click.IntRange(min=1),
            metavar="N",
            help="A shortened version, which says that it is one.",
        ),
        Flag(["--seed"], section=_SECTION, type=click.IntRange(min=0), default=0, metavar="N", help="[default 0]"),
        Flag(
            ["--out"],
            section=_SECTION,
            type=click.Path(),
            metavar="DIR",
            help="For reproduction.json and a run folder for each row; rows that are there are not trained again. "
            "[default reproductions/NAME]",
        ),
        Flag(["--device"], section=_SECTION, default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1."),
        plugin_flag(),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors."),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print the result as one JSON object."),
    ],
)
