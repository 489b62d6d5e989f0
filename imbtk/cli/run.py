"""``imbtk run``: train one plan on one split."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from imbtk.cli.flags import Flag, SectionedCommand, config_flags
from imbtk.cli.program import COMMANDS, traceback_option
from imbtk.config import RunConfig, check_paths, make_config, read_config

if TYPE_CHECKING:
    from imbtk.report.progress import RunProgress

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
    """
    config = make_config(_merge(config_file, given))
    if dry_run:
        _dry_run(config, as_json, quiet)
        return
    # Reading the data may take minutes: what is in the way is said before.
    check_paths(config)
    # Only now: a mistake in the options is told at once, without loading torch.
    from imbtk.pipeline import run as train

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
    import torch

    from imbtk.preparation import prepare
    from imbtk.report.progress import RunProgress
    from imbtk.run_folder import plan_document

    if config.threads:
        torch.set_num_threads(config.threads)
    progress: RunProgress
    with (
        contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext(),
        RunProgress(quiet) as progress,
    ):
        document = plan_document(prepare(config, progress=progress.on_data))
    if as_json:
        click.echo(json.dumps(document))
    elif not quiet:
        from rich.console import Console

        from imbtk.report.terminal import print_plan

        print_plan(Console(highlight=False), document)


command = SectionedCommand(
    "run",
    callback=run,
    help=run.__doc__,
    short_help=COMMANDS["run"],
    params=[
        click.Argument(["data"], required=False, type=click.Path(), metavar="[DATA]"),
        Flag(
            ["-c", "--config", "config_file"],
            section="Strategies",
            type=click.Path(),
            metavar="FILE.toml",
            help=(
                "Options from a file, such as a run's config.toml. The command line overrides it: --no-pretrained, say, "
                "switches off what the file switches on."
            ),
        ),
        *config_flags(RunConfig),
        Flag(["--dry-run"], section="Output", is_flag=True, help="Show the plan, the split and the counts; train nothing."),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors."),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print the result as one JSON object."),
        traceback_option(),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
