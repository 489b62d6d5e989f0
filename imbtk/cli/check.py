"""``imbtk check``: what would spoil results on these data, before anything is trained."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import click

from imbtk.cli.flags import ARGUMENTS, SECTIONS, Flag, SectionedCommand, config_flags
from imbtk.cli.loading import loading
from imbtk.planning.config import RunConfig, make_config

__all__ = ["command"]

FIELDS = frozenset({*SECTIONS["Data"], "plugins", "without", "seed"} - {"positive"})
"""Options that say something about data, or where to find who can read them."""


def check(as_json: bool, quiet: bool, **given: Any) -> int:
    """Look for what would spoil results on these data: nothing is trained.

    DATA is whatever imbtk run takes. Told are: files, classes, patients, copies, a split that leaks, whether colour
    alone tells the classes apart, and how wide the intervals of the rarest class will be.

    \b
    Exit code: 0, or 1 where results would be a lie or there would be none (a
    leak, contradicting labels, broken files); 2 for a mistake in the call.

    \b
    imbtk check photos/
    imbtk check patches/ --label-level 2 --group-pattern '^([^/]+)/'
    imbtk check manifest.csv --split-column fold1 --json
    """
    config = make_config({name: value for name, value in given.items() if value not in (None, ())})
    # Only now: a mistake in the options is told at once, without loading torch.
    with loading():
        from imbtk.audit.inspection import check as audit_data

    # Whatever prints while data are read, standard output stays one JSON object.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        audit = audit_data(config=config, quiet=quiet)
    if as_json:
        click.echo(json.dumps(audit.to_json(), ensure_ascii=False))
    elif not quiet:
        from rich.console import Console

        from imbtk.audit.rendering import print_audit

        print_audit(Console(highlight=False), audit)
    return 1 if audit.failed else 0


def _data_flags() -> list[click.Parameter]:
    return [flag for flag in config_flags(RunConfig) if flag.name in FIELDS and flag.name not in ARGUMENTS]


command = SectionedCommand(
    "check",
    callback=check,
    params=[
        click.Argument(["data"], required=False, type=click.Path(), metavar="DATA"),
        *_data_flags(),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors; see the exit code."),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print the findings as one JSON object."),
    ],
)
