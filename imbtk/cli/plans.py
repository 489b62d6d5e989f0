"""``imbtk plans``: the plans that have a name, and one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from imbtk.cli.flags import Flag, SectionedCommand, plugin_flag
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.recipes import NamedPlan, read_recipes
from imbtk.errors import PlanError, did_you_mean

__all__ = ["command", "show_plan"]


def plans(name: str | None, plugin_files: tuple[str, ...], as_json: bool) -> None:
    """List the plans that have a name: several strategies, as published or as proven; with NAME, show one.

    \b
    imbtk plans
    imbtk plans NAME
    imbtk run DATA --plan NAME
    imbtk compare DATA --plan NAME --plan NAME
    """
    recipes = read_recipes(Catalogue(plugin_files))
    if name is not None:
        plan = recipes.find(name)
        if plan is None:
            raise PlanError(f"no plugin offers a plan '{name}'.{did_you_mean(name, recipes.plans)}")
        show_plan(plan, as_json)
    elif as_json:
        click.echo(json.dumps([_plain(plan) for _, plan in sorted(recipes.plans.items())], indent=1))
    else:
        _print_list(recipes.plans, recipes.sets, recipes.words)


def show_plan(plan: NamedPlan, as_json: bool = False) -> None:
    """Print all that is known of one plan."""
    if as_json:
        click.echo(json.dumps([_plain(plan)], indent=1))
        return
    from rich.console import Console
    from rich.text import Text

    from imbtk.cli.strategy_page import print_prose, print_title

    console = Console(highlight=False)
    console.print(Text.assemble((plan.name, "bold cyan"), (f"  {plan.provider}", "dim")))
    print_prose(console, plan.recipe.summary)
    for title, text in plan.facts().items():
        print_title(console, title)
        print_prose(console, text)
    print_title(console, "What it stands for")
    console.print(Text(f"  {plan.recipe.plan}"), soft_wrap=True)
    print_title(console, "To use it")
    console.print(Text(f"  imbtk run DATA --plan {plan.name}\n  imbtk compare DATA --plan {plan.name}"))


def _plain(plan: NamedPlan) -> dict[str, Any]:
    return {"name": plan.name, "provider": plan.provider, **asdict(plan.recipe)}


def _print_list(plans: Mapping[str, NamedPlan], sets: Mapping[str, list[str]], words: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    summaries = {name: Text(plan.recipe.summary) for name, plan in plans.items()}
    for name, plan in plans.items():
        summaries[name].append(f"\n{plan.recipe.plan}", "dim")
    listed = {
        "Plans": summaries,
        "Sets of plans (imbtk compare --plan-set NAME)": {k: Text("\n".join(v)) for k, v in sets.items()},
        "Other words": {k: Text(v) for k, v in words.items()},
    }
    width = max((len(name) for part in listed.values() for name in part), default=0)
    for title, part in listed.items():
        if part:
            console.print(Text(title, style="bold"))
            table = Table.grid(padding=(0, 2), pad_edge=True)
            table.add_column(min_width=width + 4, no_wrap=True)  # the padding with it
            table.add_column(ratio=1)
            for name, text in sorted(part.items()):
                table.add_row(Text(name, style="cyan"), text)
            console.print(table)
            console.print()
    if not plans:
        console.print(Text("No plugin offers a plan under a name.\n"))
    console.print(Text("One of them:  imbtk plans NAME\nIn a run:     imbtk run DATA --plan NAME"))


command = SectionedCommand(
    "plans",
    callback=plans,
    params=[
        click.Argument(["name"], required=False, metavar="[NAME]"),
        plugin_flag(),
        Flag(["--json", "as_json"], section="Options", is_flag=True, help="Print a list of objects as JSON."),
    ],
)
