"""One strategy on a terminal."""

from __future__ import annotations

import re
import textwrap

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imbtk.discovery.describe import OptionDescription, StrategyDescription
from imbtk.discovery.docstrings import parse_blocks

__all__ = ["print_page", "print_prose", "print_title"]

_WIDEST = 100


def print_page(console: Console, description: StrategyDescription) -> None:
    """Print all that is known of a strategy: what it does, its options, formula, paper, and how to write it.

    Parameters
    ----------
    console : rich.console.Console
    description : StrategyDescription
    """
    console = Console(file=console.file, width=min(console.width, _WIDEST), highlight=False)
    console.print(Text.assemble((description.name, "bold cyan"), (f"  {description.distribution}", "dim")))
    print_prose(console, description.summary)
    if description.doc.extended:
        console.print()
        print_prose(console, description.doc.extended)
    print_title(console, "Options")
    if not description.options:
        console.print(Text("  none"))
    for option in description.options:
        _print_option(console, option)
    print_title(console, "Where it acts")
    console.print(_actions(description))
    for title, text in description.facts().items():
        print_title(console, title)
        print_prose(console, text)
    print_title(console, "To use it")
    for example in description.examples:
        console.print(Text(f"  imbtk run DATA -s {example}"))
    if not description.takes_window:
        console.print(Text("  It acts once in a run and takes no window of epochs."))
    console.print(Text(f"\nWritten in {description.file}", style="dim"), soft_wrap=True)


def print_title(console: Console, title: str) -> None:
    """Print a heading of a page."""
    console.print()
    console.print(Text(title, style="bold"))


def _print_option(console: Console, option: OptionDescription) -> None:
    """Print an option in the form in which it is written, with its values, then what it means."""
    default = option.default_text
    shown = " (required)" if option.required else " (not set)" if default == "not set" else f"={default}"
    kind = " or ".join(part for part in option.type.split(" or ") if part != "choice")
    values = " | ".join(map(str, option.choices or ()))
    facts = "; ".join(part for part in (" or ".join(p for p in (values, kind) if p), option.bounds) if part)
    line = Table.grid(padding=(0, 2), pad_edge=True)
    line.add_row(Text.assemble((option.name, "cyan"), shown), Text(facts, style="dim"))
    console.print(line)
    _print_filled(console, option.description, "      ")


def _actions(description: StrategyDescription) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for hook, text in description.actions:
        table.add_row(Text(hook.stage), Text(_plain(text) or f"(answers {hook.name})"))
    return table


def print_prose(console: Console, text: str) -> None:
    """Print paragraphs, lists, formulas and tables of a docstring, filled to the console's width."""
    before = ""
    for block in parse_blocks(text):
        if before and not before == block.kind == "item":
            console.print()
        before = block.kind
        if block.kind == "table":
            console.print(_table(block.rows))
        elif block.kind == "formula":
            console.print(Text(textwrap.indent(block.text, "      ")))
        elif block.kind == "item":
            _print_filled(console, _plain(block.text), "    ", first="  - ")
        else:
            _print_filled(console, _plain(block.text), "  ")


def _print_filled(console: Console, text: str, indent: str, first: str | None = None) -> None:
    """Print text filled to the width; unlike rich, without blanks at the ends of lines."""
    first = indent if first is None else first
    filled = textwrap.fill(
        text,
        console.width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    if text:
        console.print(Text(filled), soft_wrap=True)


def _table(rows: tuple[tuple[str, ...], ...]) -> Padding:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in rows[0]:
        table.add_column(Text(_plain(name)), overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    return Padding(table, (0, 0, 0, 2))


def _plain(text: str) -> str:
    """Return text without the marks of reStructuredText."""
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"\1", text)
    return re.sub(r"`{1,2}([^`]+)`{1,2}", r"\1", text)
