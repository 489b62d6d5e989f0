"""``imbtk compare``: which plans help, by how much, and is it chance."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import click

from imbtk.cli.flags import Flag, SectionedCommand, config_flags
from imbtk.cli.loading import loading
from imbtk.comparison.config import ComparisonConfig, make_comparison_config, parse_shard

__all__ = ["command"]


def compare(
    jobs: int | None,
    backend: str,
    scheduler: str | None,
    shard: str | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train several plans on the same splits, and say which help, by how much, and whether it is chance.

    DATA is what 'imbtk run' takes; builtin:digits if it is left out. The baseline (no strategy) is always a row, and so
    is the baseline with its decision moved, which costs nothing. Without a plan those are compared that plugins offer.

    The grid of plan x fold x repeat is made of run folders. What is done is never run again: stop it when you like, the
    same command goes on. The numbers do not depend on --jobs, --backend or --shard.

    \b
    imbtk compare photos/ --plan "NAME" --plan "NAME NAME:option=value"
    imbtk compare photos/ --each NAME,NAME,NAME --pairs
    imbtk compare photos/ --shard 2/8 --out study   # then: imbtk report study
    """
    if shard is not None:
        parse_shard(shard)
    config = make_comparison_config({name: value for name, value in given.items() if value not in (None, ())})
    # Only now: a mistake in the options is told at once, without loading torch.
    with loading():
        from imbtk.comparison.comparison import compare as run_comparison

    # Whatever prints while cells run, standard output stays one JSON object.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        found = run_comparison(
            config=config,
            jobs=jobs,
            backend="dask" if backend == "dask" else "local",
            scheduler=scheduler,
            shard=shard,
            quiet=quiet or as_json,
        )
    if as_json:
        click.echo(json.dumps({"comparison": str(found.folder), **(found.document if found.complete else {})}))


_HOW = "How it is run (changes no number)"

command = SectionedCommand(
    "compare",
    callback=compare,
    params=[
        click.Argument(["data"], required=False, type=click.Path(), metavar="[DATA]"),
        *[p for p in config_flags(ComparisonConfig) if p.name not in ComparisonConfig.unused],
        Flag(["--jobs"], section=_HOW, type=click.IntRange(min=1), metavar="N", help="Cells side by side. [all cores]"),
        Flag(
            ["--backend"],
            section=_HOW,
            type=click.Choice(["local", "dask"]),
            default="local",
            help="Processes here, or a Dask cluster that runs already (imbtk[dask]).",
        ),
        Flag(
            ["--scheduler"],
            section=_HOW,
            metavar="ADDRESS",
            help="Of the Dask scheduler, tcp://HOST:8786; DASK_SCHEDULER_ADDRESS if left out.",
        ),
        Flag(
            ["--shard"], section=_HOW, metavar="I/N", help="Only the I-th of N parts of the grid, same --out for all."
        ),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors."),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print the comparison as one JSON object."),
    ],
)
