"""``imbtk evaluate``: a trained run on new data."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbtk.cli.flags import Flag, SectionedCommand
from imbtk.cli.loading import loading
from imbtk.cli.predict import DATA_FLAGS, data_flags, trust_flag
from imbtk.planning.config import make_config

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["command"]


def evaluate(
    run: str,
    data: str,
    out: str | None,
    deploy: str | None,
    trust_model: bool,
    allow_seen: bool,
    discard_unfinished: bool,
    estimate_prior: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Evaluate a trained run on new labelled data, such as a cohort of another hospital.

    RUN is a run folder. DATA is a folder with a folder for each class, a CSV manifest or table, an .npz of arrays, or
    what a plugin reads; classes are called as they were in training, and need not all be there. A folder is written
    with every metric and its interval, the predictions and a page. Nothing is fitted on the new data; rows that the run
    was trained or validated on are refused.

    \b
    imbtk evaluate runs/first cohort.csv --group-column patient
    imbtk evaluate runs/first unlabelled/ --estimate-prior
    """
    # A mistake in the options is told at once, without loading torch.
    options = make_config({name: value for name, value in given.items() if value not in (None, ())})
    with loading():
        from imbtk.inference.new_data import evaluate as evaluate_run

    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        found = evaluate_run(
            run,
            data,
            out=out,
            deploy=deploy,
            estimate_prior=estimate_prior,
            allow_seen=allow_seen,
            trust_model=trust_model,
            discard_unfinished=discard_unfinished,
            quiet=quiet or as_json,
            **options.model_dump(exclude_unset=True),
        )
    if as_json:
        document = {"folder": str(found.folder), "evaluation": found.document, "metrics": found.metrics}
        click.echo(json.dumps(document))
    elif not quiet:
        from rich.console import Console

        console = Console(highlight=False)
        if found.metrics is not None:
            from imbtk.console.terminal import print_results

            print_results(console, found.metrics, found.folder, kind=found.kind)
        _print_rest(console, found.document, found.folder)


def _print_rest(console: Console, document: Mapping[str, Any], folder: Path) -> None:
    """Print what was left out, and the estimated class frequencies with their assumption."""
    from rich.text import Text

    for note in (*document["notes"], document["seen"]["said"]):
        if note:
            console.print(Text(f"! {note}"))
    for name in document["missing_classes"]:
        console.print(Text(f"! the data have no row of class '{name}': its metrics, and means over all, are missing"))
    if document["unreadable"]:
        console.print(Text(f"! {len(document['unreadable'])} rows could not be read and are left out"))
    if document["prior"] is not None:
        _print_prior(console, document["prior"])
    if document["class_counts"] is None:
        console.print(Text.assemble(("\nEvaluation ", "bold"), str(folder)), soft_wrap=True)


def _print_prior(console: Console, prior: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from imbtk.report.evaluation_page import prior_words

    table = Table(box=None, padding=(0, 2), title=Text("Class frequencies", style="bold"), title_justify="left")
    table.add_column("class", overflow="fold")
    for head in ("in training", "estimated", "95 % interval", "by the labels"):
        table.add_column(head, justify="right")
    for entry in prior["classes"]:
        low_high = "–" if entry["interval"] is None else "{:.3f} to {:.3f}".format(*entry["interval"])
        true = "–" if entry["in_data"] is None else f"{entry['in_data']:.3f}"
        shares = (f"{entry['in_training']:.3f}", f"{entry['estimate']:.3f}", low_high, true)
        table.add_row(Text(entry["name"]), *shares)
    console.print()
    console.print(table)
    for sentence in prior_words(prior):
        console.print(Text(sentence))
    console.print(Text(f'\nTo use it:  --deploy "{prior["deploy"]}"'), soft_wrap=True)


command = SectionedCommand(
    "evaluate",
    callback=evaluate,
    params=[
        click.Argument(["run"], type=click.Path(), metavar="RUN"),
        click.Argument(["data"], type=click.Path(), metavar="DATA"),
        *data_flags((*DATA_FLAGS, "group_name", "group_label", "label_column", "label_level", "class_names")),
        trust_flag(),
        Flag(
            ["--deploy"],
            section="Probabilities and decisions",
            metavar="PRIOR",
            help="Class frequencies that probabilities shall be for: natural, uniform, or benign=0.9,malignant=0.1; "
            "those of the training run unless given.",
        ),
        Flag(
            ["--estimate-prior"],
            section="Probabilities and decisions",
            is_flag=True,
            help="Estimate the class frequencies of the data without labels, if only these differ from training.",
        ),
        Flag(
            ["--allow-seen"],
            section="Data",
            is_flag=True,
            help="Go on where rows or groups are among those that the run was trained or validated on.",
        ),
        Flag(["--out", "out"], section="Output", type=click.Path(), metavar="DIR", help="Folder to write."),
        Flag(
            ["--discard-unfinished"],
            section="Output",
            is_flag=True,
            help="Delete what an earlier evaluation into the same folder left unfinished.",
        ),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print the result as one JSON object."),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors."),
    ],
)
