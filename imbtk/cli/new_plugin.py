"""``imbtk new-plugin``: a package for a strategy of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from imbtk.authoring.hookspecs import strategy_hooks
from imbtk.cli.flags import Flag, SectionedCommand

__all__ = ["command"]


def new_plugin(name: str, hooks: tuple[str, ...], directory: str) -> None:
    """Write a package with a strategy called NAME: installable, tested, found by imbtk once it is installed.

    It begins with a small working strategy for each hook; change it to what you have in mind.

    \b
    imbtk new-plugin margin-loss --hook criterion
    imbtk new-plugin rare-first --hook epoch-order --hook class-weights
    """
    from imbtk.scaffold import new_plugin as write

    folder = write(name, hooks, Path(directory))
    click.echo(f"{folder} is written.\n")
    click.echo(f'  pip install -e "{folder}[test]"\n  python -m pytest {folder}\n  imbtk plugins check {name}')
    click.echo(f"  imbtk run builtin:digits -s {name}")


_HOOK_NAMES = ", ".join(hook.name.removeprefix("imbtk_").replace("_", "-") for hook in strategy_hooks(lasting=True))

command = SectionedCommand(
    "new-plugin",
    callback=new_plugin,
    params=[
        click.Argument(["name"], metavar="NAME"),
        Flag(
            ["--hook", "hooks"],
            section="Options",
            multiple=True,
            metavar="HOOK",
            help=f"What it does in a run, one of {_HOOK_NAMES}. [default class-weights; can be repeated]",
        ),
        Flag(
            ["--directory"],
            section="Options",
            type=click.Path(),
            default=".",
            metavar="DIR",
            help="The folder in which the package's folder is made. [default .]",
        ),
    ],
)
