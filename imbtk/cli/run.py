"""``imbtk run``: train one plan on one split."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from imbtk.cli.flags import Flag, SectionedCommand, config_flags
from imbtk.cli.loading import loading
from imbtk.planning.config import RunConfig, check_paths, make_config, read_config

if TYPE_CHECKING:
    from rich.console import Console

    from imbtk.console.progress import RunProgress

__all__ = ["command"]


def run(config_file: str | None, dry_run: bool, as_json: bool, quiet: bool, **given: Any) -> None:
    """Train one plan of strategies on one split of the data.

    DATA is a folder with a folder for each class, a CSV manifest or table, an .npz of arrays, or builtin:digits,
    builtin:breast-cancer. What is not given has a default that suits the data, printed before training and written to
    the run folder.

    \b
    imbtk run photos/ -s NAME -s NAME:option=value -s NAME@50%-
    imbtk run -c study.toml --epochs 20
    imbtk run photos/ -s NAME --dry-run
    imbtk run --from comparisons/photos-1a2b3c4d --row NAME   # that plan on all rows
    """
    config = make_config(_merge(config_file, given))
    if dry_run:
        _dry_run(config, as_json, quiet)
        return
    # Reading the data may take minutes: what is in the way is said before.
    check_paths(config)
    # Only now: a mistake in the options is told at once, without loading torch.
    with loading():
        from imbtk.comparison.entry import run as train

        importlib.import_module("imbtk.pipeline.run")  # which training imports, and a dry run does not

    # Whatever prints while a run goes on, standard output stays one JSON object.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        result = train(config=config, quiet=quiet)
    if as_json:
        click.echo(json.dumps({"run_folder": str(result.folder), "metrics": result.metrics}))


def _merge(config_file: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the file with those of the command line on top."""
    values = read_config(config_file) if config_file else {}
    return {**values, **{name: value for name, value in given.items() if value not in (None, ())}}


def _dry_run(config: RunConfig, as_json: bool, quiet: bool) -> None:
    """Print the plan, the split, the class counts and the ledger; train and write nothing."""
    with loading():
        import torch

        from imbtk.comparison.entry import prepare_any
        from imbtk.console.progress import RunProgress
        from imbtk.pipeline.documents import plan_document

    if config.threads:
        torch.set_num_threads(config.threads)
    progress: RunProgress
    with (
        contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext(),
        RunProgress(quiet) as progress,
    ):
        document = plan_document(prepare_any(config, progress=progress.on_data))
    if as_json:
        click.echo(json.dumps(document))
    elif not quiet:
        from rich.console import Console

        from imbtk.console.terminal import print_plan

        console = Console(highlight=False)
        print_plan(console, document)
        _print_counts(console, document)
        console.print("\nDry run: nothing was trained or written.")


def _print_counts(console: Console, document: dict[str, Any]) -> None:
    """Print the rows of each class on each side, and the phases where there are several."""
    from rich.table import Table
    from rich.text import Text

    from imbtk.wording import one_line, shorten

    counts: dict[str, list[int]] = document["split"]["class_counts"]
    table = Table(box=None, padding=(0, 2), title=Text("Rows of each class", style="bold"), title_justify="left")
    table.add_column("class", overflow="fold")
    for side in counts:
        table.add_column(side, justify="right")
    for name, *numbers in zip(document["class_names"], *counts.values(), strict=True):
        table.add_row(Text(shorten(one_line(name), 40)), *map(str, numbers))
    console.print()
    console.print(table)
    phases = document["phases"]
    if len(phases) == 1:
        return
    console.print(Text("\nPhases", style="bold"))
    for phase in phases:
        on = " ".join(phase["strategies"]) or "no strategy"
        console.print(Text(f"  epochs {phase['start'] + 1} to {phase['stop']}: {on}"))


command = SectionedCommand(
    "run",
    callback=run,
    params=[
        click.Argument(["data"], required=False, type=click.Path(), metavar="[DATA]"),
        Flag(
            ["-c", "--config", "config_file"],
            section="Strategies",
            type=click.Path(),
            metavar="FILE.toml",
            help="Options from a file, such as a run's config.toml; what the command line says goes first "
            "(--no-pretrained switches off what the file switches on).",
        ),
        *config_flags(RunConfig),
        Flag(
            ["--dry-run"],
            section="Output",
            is_flag=True,
            help="Show plan, split and counts; train nothing.",
        ),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors."),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print the result as one JSON object."),
    ],
)
