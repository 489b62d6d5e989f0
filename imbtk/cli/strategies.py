"""``imbtk strategies``: what there is, and one strategy's page."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imbtk.authoring.hookspecs import FAMILIES
from imbtk.authoring.options import parse_spec
from imbtk.cli.completion import StrategyName
from imbtk.cli.flags import Flag, SectionedCommand, plugin_flag
from imbtk.cli.plans import show_plan
from imbtk.discovery.catalogue import Catalogue, Plugin
from imbtk.discovery.describe import StrategyDescription
from imbtk.discovery.descriptions import Descriptions
from imbtk.discovery.recipes import read_recipes
from imbtk.errors import PlanError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["command"]


def strategies(name: str | None, plugin_files: tuple[str, ...], as_json: bool, source: bool) -> None:
    """List the strategies that there are; with NAME, show one: its options, what it does, its paper.

    NAME may be another word for it: imbtk strategies smote.

    \b
    imbtk strategies
    imbtk strategies NAME
    imbtk strategies NAME --source > my_strategy.py
    """
    catalogue = Catalogue(plugin_files)
    if source:
        if name is None:
            raise click.UsageError("--source shows one strategy: imbtk strategies NAME --source.")
        click.echo(Path(inspect.getfile(catalogue.find(name)[0])).read_text(encoding="utf-8"), nl=False)
        return
    descriptions = Descriptions(catalogue)
    if name is not None:
        _show(name, catalogue, descriptions, as_json)
        return
    described, failed = descriptions.all(), catalogue.failed()
    if as_json:
        click.echo(json.dumps([description.to_json() for description in described], indent=1))
        for plugin in failed:
            click.echo(f"Warning: {plugin.error}", err=True)
        return
    from rich.console import Console

    _print_list(Console(highlight=False), described, failed)


def _show(name: str, catalogue: Catalogue, descriptions: Descriptions, as_json: bool) -> None:
    """Show one strategy, or what people know by that name."""
    try:
        description = descriptions.find(name)
    except PlanError:
        recipes = read_recipes(catalogue)
        written = recipes.written(name)
        if written is None:
            raise
        if not as_json:
            click.echo(f"'{name}' is written so: {written}\n")
        if (plan := recipes.find(name)) is not None:
            show_plan(plan, as_json)
            return
        description = descriptions.find(parse_spec(written).name)
    if as_json:
        click.echo(json.dumps([description.to_json()], indent=1))
        return
    from rich.console import Console

    from imbtk.cli.strategy_page import print_page

    print_page(Console(highlight=False), description)


def _print_list(console: Console, described: Iterable[StrategyDescription], failed: list[Plugin]) -> None:
    """Print the strategies of each distribution by family, then the plugins that failed."""
    from rich.table import Table
    from rich.text import Text

    order = list(FAMILIES)
    described = sorted(described, key=lambda d: (d.distribution, order.index(d.family), d.name))
    width = max((len(description.name) for description in described), default=0)
    for distribution, shipped in groupby(described, key=lambda d: d.distribution):
        console.print(Text(distribution, style="bold"))
        for family, members in groupby(shipped, key=lambda d: d.family):
            console.print(Text(f"\n {family}", style="dim"))
            table = Table.grid(padding=(0, 2), pad_edge=True)
            table.add_column(min_width=width + 4, no_wrap=True)  # the padding with it
            table.add_column(ratio=1)
            for member in members:
                table.add_row(Text(member.name, style="cyan"), Text(member.summary))
            console.print(table)
        console.print()
    if not described:
        console.print(Text("No strategy is installed, or all are switched off (IMBTK_PLUGINS).\n"))
    if failed:
        console.print(Text("Plugins that cannot be used", style="bold red"))
        for plugin in failed:
            console.print(Text(f"  {plugin.error}"))
        console.print()
    console.print(
        Text(
            "One of them:  imbtk strategies NAME\nIn a run:     imbtk run DATA -s NAME:option=value\n"
            "Several under one name:  imbtk plans"
        )
    )


command = SectionedCommand(
    "strategies",
    callback=strategies,
    params=[
        click.Argument(["name"], required=False, type=StrategyName(), metavar="[NAME]"),
        plugin_flag(),
        Flag(["--json", "as_json"], section="Options", is_flag=True, help="Print a list of objects as JSON."),
        Flag(["--source"], section="Options", is_flag=True, help="Print the file that the strategy is written in."),
    ],
)
