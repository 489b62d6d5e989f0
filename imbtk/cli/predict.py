"""``imbtk predict``: a trained run on new rows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import click

from imbtk.cli.flags import Flag, SectionedCommand, config_flags
from imbtk.cli.loading import loading
from imbtk.errors import ImbtkError
from imbtk.files import replacing
from imbtk.planning.config import RunConfig, make_config

__all__ = ["DATA_FLAGS", "command", "data_flags", "trust_flag"]

DATA_FLAGS = (
    "plugins", "without", "where", "path_column", "group_column", "groups", "group_pattern", "ignore_split", "device",
)  # fmt: skip
"""Options of a run that also say how new rows are to be read."""

_JSON_LINES = (".jsonl", ".ndjson")


def predict(
    run: str,
    inputs: tuple[str, ...],
    out: str | None,
    form: str | None,
    deploy: str | None,
    per_group: bool,
    trust_model: bool,
    per_patient: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Predict new rows with a trained run.

    RUN is a run folder. INPUT is a folder of images (nested or not, no labels needed), a CSV manifest or table, an .npz
    or .npy of arrays, image files, or what a plugin reads. A line comes out for each row: its class (empty where the
    decision rule leaves it open), the calibrated probability of each class, and why it could not be read if so.
    Preprocessing is that of the training; no strategy needs to be installed.

    \b
    imbtk predict runs/first scans/ --out predictions.csv
    imbtk predict runs/first scans/ --per-group --group-pattern "(P[0-9]+)"
    imbtk predict runs/first a.png b.png --deploy "benign=0.98,malignant=0.02"
    """
    config = make_config({name: value for name, value in given.items() if value not in (None, ())})
    if out is not None and Path(out).exists():
        raise ImbtkError(f"the file '{out}' exists already, and is not overwritten. Choose another --out.")
    # Only now: a mistake in the options is told at once, without loading torch.
    with loading():
        from imbtk.console.progress import RunProgress
        from imbtk.data.source_rows import open_new_rows
        from imbtk.inference.prediction_table import write_predictions
        from imbtk.inference.predictor import Predictor
        from imbtk.planning.defaults import choose_device
        from imbtk.planning.reading import make_catalogue, offered_sources

    predictor = Predictor.load(run, choose_device(config.device), trust_model=trust_model)
    if deploy is not None:
        predictor = predictor.at_deployment(deploy)
    sources = offered_sources(make_catalogue(config))
    rows = open_new_rows(inputs, config, predictor.description, sources=sources)
    chosen = form or ("jsonl" if out and Path(out).suffix.casefold() in _JSON_LINES else "csv")
    # A bar between the lines of a table on the same terminal would be in the way.
    shown = quiet or (out is None and sys.stdout.isatty())
    progress: RunProgress
    with _written(out) as stream, RunProgress(shown) as progress:
        done = write_predictions(
            predictor,
            rows,
            stream,
            form="jsonl" if chosen == "jsonl" else "csv",
            per_group=per_group or per_patient,
            progress=progress.on_data,
        )
    if per_patient and not quiet:
        click.echo("--per-patient is called --per-group now.", err=True)
    for note in () if quiet else rows.notes:
        click.echo(note, err=True)
    if done.failed and not quiet:
        click.echo(f"{done.failed} of {len(rows)} rows could not be read: the column 'error' says why.", err=True)


@contextlib.contextmanager
def _written(out: str | None) -> Iterator[TextIO]:
    """Open standard output, or a file that gets its name when it is complete."""
    if out is None:
        yield sys.stdout
        return
    with replacing(Path(out)) as temporary, _opened(temporary) as stream:
        yield stream


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ImbtkError(f"'{path.parent}' cannot be written to: {(error.strerror or str(error)).lower()}.") from None


def data_flags(names: tuple[str, ...]) -> list[click.Parameter]:
    """Return the flags of some options of a run."""
    return [flag for flag in config_flags(RunConfig) if flag.name in names]


def trust_flag() -> Flag:
    """Return the flag that lets code from a run folder run."""
    return Flag(
        ["--trust-model"],
        section="Model",
        is_flag=True,
        help="Load a network that is not built from parts of imbtk alone, too: a file that may run any code. Only for "
        "run folders of people whom you trust.",
    )


command = SectionedCommand(
    "predict",
    callback=predict,
    params=[
        click.Argument(["run"], type=click.Path(), metavar="RUN"),
        click.Argument(["inputs"], type=click.Path(), nargs=-1, required=True, metavar="INPUT..."),
        *data_flags(DATA_FLAGS),
        trust_flag(),
        Flag(
            ["--deploy"],
            section="Probabilities and decisions",
            metavar="PRIOR",
            help="Class frequencies where the model is used: natural, uniform, or benign=0.9,malignant=0.1; those of "
            "the training run unless given.",
        ),
        Flag(
            ["--per-group"],
            section="Output",
            is_flag=True,
            help="One line for each group (patient): the mean probability of its rows, and the decision on it.",
        ),
        Flag(["--per-patient"], section="Output", is_flag=True, hidden=True),
        Flag(["--out", "out"], section="Output", type=click.Path(), metavar="FILE", help="Instead of standard output."),
        Flag(
            ["--format", "form"],
            section="Output",
            type=click.Choice(["csv", "jsonl"]),
            help="CSV, or one JSON object on each line. [default csv, or by the ending of --out]",
        ),
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but predictions and errors."),
    ],
)
