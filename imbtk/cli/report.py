"""``imbtk report``: make the page of a run, or the table and the page of a comparison, anew."""

from __future__ import annotations

from pathlib import Path

import click

from imbtk.cli.flags import Flag, SectionedCommand
from imbtk.cli.loading import loading

__all__ = ["command"]


def report(folder: str, show: bool) -> None:
    """Make the page of a run folder or of a comparison anew, from the folder alone.

    A comparison whose cells were made in parts (--shard), or that was stopped, gets the table of what there is.
    """
    place = Path(folder)
    # The same name as in imbtk.comparison.protocol, which imports torch.
    if (place / "protocol.json").is_file():
        with loading():
            from imbtk.comparison.comparison import make_comparison_report

        page = make_comparison_report(place)
    else:
        with loading():
            from imbtk.report.page import make_report

        page = make_report(place)
    click.echo(str(page))
    if show:
        click.launch(page.resolve().as_uri())


command = SectionedCommand(
    "report",
    callback=report,
    params=[
        click.Argument(["folder"], type=click.Path(), metavar="FOLDER"),
        Flag(["--open", "show"], section="Output", is_flag=True, help="Show the page in the browser."),
    ],
)
