"""``imbtk evaluate``: a trained run on new data."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbtk.cli.flags import Flag, SectionedCommand
from imbtk.cli.predict import DATA_FLAGS, data_flags, trust_flag
from imbtk.cli.program import COMMANDS, traceback_option
from imbtk.config import make_config

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["command"]


def evaluate(
    run: str,
    data: str,
    out: str | None,
    deploy: str | None,
    trust_model: bool,
    estimate_prior: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Evaluate a trained run on new labelled data, such as a cohort of another hospital.

    RUN is a run folder. DATA is a folder with a folder for each class, a CSV manifest or table, an .npz of arrays, or
    what a plugin reads; classes are called as they were in training, and need not all be there. A folder is written
    with every figure and its interval, the predictions and a page. Nothing is fitted on the new data.

    \b
    imbtk evaluate runs/first cohort.csv --group-column patient
    imbtk evaluate runs/first unlabelled/ --estimate-prior
    """
    config = make_config({name: value for name, value in given.items() if value not in (None, ())})
    # Only now: a mistake in the options is told at once, without loading torch.
    from imbtk.data.source_rows import open_new_rows
    from imbtk.external import evaluate_new
    from imbtk.predictor import Predictor
    from imbtk.reading import make_catalogue, offered_sources
    from imbtk.report.progress import RunProgress
    from imbtk.training.setup import choose_device

    predictor = Predictor.load(run, choose_device(config.device), trust_model=trust_model)
    if deploy is not None:
        predictor = predictor.at_deployment(deploy)
    sources = offered_sources(make_catalogue(config))
    asked = config.group_label
    if asked is None:
        # The run's own rule, by whose column a manifest is read as in training.
        config = config.model_copy(update={"group_label": predictor.description.get("group_label")})
    rows = open_new_rows([data], config, predictor.description, sources=sources, labelled=True)
    progress: RunProgress
    with (
        contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext(),
        RunProgress(quiet or as_json) as progress,
    ):
        found = evaluate_new(
            run,
            predictor,
            rows,
            Path(out) if out else _free_name(data),
            data=data,
            with_prior=estimate_prior,
            group_name=config.group_name,
            group_label=asked,
            progress=progress.on_data,
        )
    if as_json:
        document = {"folder": str(found.folder), "evaluation": found.document, "metrics": found.metrics}
        click.echo(json.dumps(document))
    elif not quiet:
        from rich.console import Console

        console = Console(highlight=False)
        if found.metrics is not None:
            from imbtk.report.terminal import print_results

            print_results(console, found.metrics, found.folder, kind=str(predictor.description["kind"]))
        _print_rest(console, found.document, found.folder)


def _print_rest(console: Console, document: Mapping[str, Any], folder: Path) -> None:
    """Print what was left out, and the estimated class frequencies with their assumption."""
    from rich.text import Text

    for note in document["notes"]:
        console.print(Text(f"! {note}"))
    for name in document["missing_classes"]:
        console.print(Text(f"! the data have no row of class '{name}': its figures, and means over all, are missing"))
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


def _free_name(data: str) -> Path:
    """Return a folder name that is not taken: time, then the data."""
    slug = re.sub(r"[^A-Za-z0-9.-]+", "_", Path(data).name or data)[:60].strip("_.") or "data"
    stem = Path("evaluations") / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}"
    path, number = stem, 2
    while path.exists():
        path, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return path


command = SectionedCommand(
    "evaluate",
    callback=evaluate,
    help=evaluate.__doc__,
    short_help=COMMANDS["evaluate"],
    params=[
        click.Argument(["run"], type=click.Path(), metavar="RUN"),
        click.Argument(["data"], type=click.Path(), metavar="DATA"),
        *data_flags((*DATA_FLAGS, "group_name", "group_label", "label_column", "label_level")),
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
        Flag(["--out", "out"], section="Output", type=click.Path(), metavar="DIR", help="Folder to write."),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print the result as one JSON object."),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors."),
        traceback_option(),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
