"""``imbtk plugins``: what is installed, what failed and why; ``imbtk plugins check``: the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from imbtk.authoring.hookspecs import API_VERSION, HOOKS
from imbtk.cli.completion import StrategyName
from imbtk.cli.flags import HELP, Flag, SectionedCommand, plugin_flag
from imbtk.cli.program import COMMANDS, traceback_option
from imbtk.discovery.catalogue import Catalogue, Plugin
from imbtk.errors import PlanError, PluginError

if TYPE_CHECKING:
    from imbtk.authoring.strategy import Strategy
    from imbtk.testing import CheckResult

__all__ = ["command"]

FAILED = 1


def plugins(context: click.Context, plugin_files: tuple[str, ...], as_json: bool) -> None:
    """List the plugins that there are: who ships them, what they offer, and what failed to load, with the reason.

    \b
    imbtk plugins
    imbtk plugins check NAME
    """
    if context.invoked_subcommand is not None:
        if plugin_files or as_json:
            raise click.UsageError(
                f"options go behind it: imbtk plugins {context.invoked_subcommand} NAME --plugin FILE.py."
            )
        return
    catalogue = Catalogue(plugin_files)
    duplicates = catalogue.duplicates()
    for hook in (hook for hook in HOOKS.values() if hook.scope == "module"):
        list(catalogue.offered(hook.name))  # an answer that fails is kept in its plugin, as a failed import is
    described = [describe_plugin(plugin, duplicates) for plugin in catalogue.plugins()]
    if as_json:
        click.echo(json.dumps(described, indent=1))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for entry in described:
        console.print(Text.assemble((entry["name"], "cyan"), f"  {entry['distribution']} {entry['version']}".rstrip()))
        for line in _lines(entry):
            console.print(Text(f"  {line}"))
    if not described:
        console.print(Text("No plugin is installed, or all are switched off (IMBTK_PLUGINS)."))


def describe_plugin(plugin: Plugin, duplicates: Mapping[str, Sequence[Plugin]]) -> dict[str, Any]:
    """Return what ``imbtk plugins --json`` says of one plugin, plain values only."""
    module = plugin.module
    shared = {
        name: [p.provider for p in duplicates[name] if p is not plugin]
        for name in plugin.strategies.keys() & duplicates.keys()
    }
    return {
        "name": plugin.name,
        "module": plugin.module_name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "file": None if plugin.file is None else plugin.file.path,
        "api": getattr(module, "imbtk_api", API_VERSION) if module else None,
        "strategies": {name: [hook.name for hook in cls.hooks()] for name, cls in plugin.strategies.items()},
        "hooks": [hook for hook in HOOKS if module and hasattr(module, hook)],
        "also_offered_by": shared,
        "error": None if plugin.error is None else str(plugin.error),
    }


def _lines(entry: dict[str, Any]) -> list[str]:
    if entry["error"]:
        return [f"cannot be used: {entry['error']}"]
    lines = []
    for name, hooks in entry["strategies"].items():
        lines.append(f"strategy {name}: {', '.join(hooks)}")
        if name in entry["also_offered_by"]:
            others = " and ".join(entry["also_offered_by"][name])
            lines.append(f"  also offered by {others}: leave one out with --without or IMBTK_PLUGINS, or uninstall it")
    return [*lines, *(f"answers {hook}" for hook in entry["hooks"]), f"API {entry['api']}"]


def check(name: str, plugin_files: tuple[str, ...], class_names: tuple[str, ...], as_json: bool) -> None:
    """Check whether a strategy holds what imbtk asks of every strategy; exit code 1 if something fails.

    NAME is a strategy, with options if you like (NAME:option=value), or a plugin, all of whose strategies are checked.

    \b
    imbtk plugins check NAME
    imbtk plugins check NAME --plugin FILE.py
    """
    from imbtk.testing import check_strategy

    found = _strategies(name, Catalogue(plugin_files))
    results = {str(s.spec()): check_strategy(s, class_names or None, on_fail="return") for s in found}
    failed = sum(result.outcome == "failed" for listed in results.values() for result in listed)
    if as_json:
        click.echo(json.dumps({s: [vars(result) for result in listed] for s, listed in results.items()}, indent=1))
    else:
        for strategy, listed in results.items():
            _print_results(strategy, listed)
    if failed:
        click.get_current_context().exit(FAILED)


def _strategies(name: str, catalogue: Catalogue) -> list[Strategy]:
    """Return the strategy of a name, or all of a plugin of that name."""
    from imbtk.authoring.options import parse_spec

    spec = parse_spec(name)
    try:
        return [catalogue.find(spec.name)[0](**spec.options)]
    except PlanError:
        plugin = next((p for p in catalogue.plugins() if p.name == spec.name and not p.error), None)
        if plugin is None:
            raise
        if not plugin.strategies:
            raise PluginError(f"plugin '{plugin.name}' ({plugin.provider}) offers no strategy to check.") from None
        return [cls() for cls in plugin.strategies.values()]


def _print_results(strategy: str, results: list[CheckResult]) -> None:
    click.echo(click.style(strategy, bold=True))
    colours = {"held": "green", "failed": "red", "excepted": "yellow"}
    for result in results:
        mark = click.style(f"{result.outcome:<8}", fg=colours[result.outcome])
        click.echo(f"  {mark}  {result.check}")
        if result.reason:
            click.echo(f"            {result.reason}")
    number = {outcome: sum(r.outcome == outcome for r in results) for outcome in colours}
    click.echo(", ".join(f"{n} {outcome}" for outcome, n in number.items() if n or outcome != "excepted") + "\n")


command = click.Group(
    "plugins",
    callback=click.pass_context(plugins),
    invoke_without_command=True,
    help=plugins.__doc__,
    short_help=COMMANDS["plugins"],
    params=[
        plugin_flag(),
        Flag(["--json", "as_json"], section="Options", is_flag=True, help="Print a list of objects as JSON."),
        traceback_option(),
    ],
    context_settings=HELP,
    commands=[
        SectionedCommand(
            "check",
            callback=check,
            short_help="Check whether a strategy holds what imbtk asks of every strategy.",
            params=[
                click.Argument(["name"], type=StrategyName(), metavar="NAME"),
                plugin_flag(),
                Flag(
                    ["--class", "class_names"],
                    section="Options",
                    multiple=True,
                    metavar="NAME",
                    help="A class's name, for options that speak of classes. [can be repeated]",
                ),
                Flag(["--json", "as_json"], section="Options", is_flag=True, help="Print an object as JSON."),
            ],
        )
    ],
)
