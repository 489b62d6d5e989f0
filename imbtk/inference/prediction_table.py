"""Predictions as a table on its way to a file or a pipe: a line for each row, or for each group."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TextIO

import numpy as np

from imbtk.authoring.prediction import pooled
from imbtk.data.new_rows import NewRows
from imbtk.errors import DataError
from imbtk.inference.predictor import Predictor

__all__ = ["Written", "write_predictions"]

Format = Literal["csv", "jsonl"]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    lines : int
    failed : int
        Rows that could not be read.
    open : int
        Lines whose class the decision rule left open.
    """

    lines: int
    failed: int
    open: int


@dataclass(frozen=True)
class _Line:
    """One line: `rows` is set for groups."""

    name: str
    group: str | None
    rows: int | None
    decided: str
    probabilities: np.ndarray
    error: str | None
    set: list[str] | None = None


def write_predictions(
    predictor: Predictor,
    rows: NewRows,
    stream: TextIO,
    *,
    form: Format = "csv",
    per_group: bool = False,
    progress: Progress | None = None,
) -> Written:
    """Write one line for each row, as soon as it is known, or for each group, when all are.

    Parameters
    ----------
    predictor : Predictor
    rows : NewRows
    stream : text file
    form : "csv" or "jsonl"
    per_group : bool
    progress : callable, optional
        ``(description, done, total)``.

    Raises
    ------
    DataError
        If groups are asked for and groups are not known, or no row can be read at all.
    """
    if per_group and rows.groups is None:
        noun = predictor.description.get("group_name", "group")
        raise DataError(
            f"which rows belong to one {noun} is not known, so nothing can be said per {noun}. Say where groups stand "
            "with --group-column, --group-pattern or --groups breakhis."
        )
    # A set is one of a row: nothing is known of how often the mean of a group's rows would be covered.
    sets = predictor.decision.sets is not None and not per_group
    first = ("group", "rows") if per_group else ("row",) if rows.groups is None else ("row", "group")
    write = _writer(stream, form, predictor.class_names, first, sets)
    failures: list[str] = []
    lines = _row_lines(predictor, rows, failures, progress)
    written = still_open = 0
    for line in _group_lines(predictor, rows, failures, progress) if per_group else lines:
        write(line)
        written += 1
        still_open += line.error is None and line.decided == ""
    if len(failures) == len(rows):
        raise DataError(f"none of the {len(rows)} rows could be read. The first one: {failures[0]}")
    return Written(written, len(failures), still_open)


def _row_lines(predictor: Predictor, rows: NewRows, failures: list[str], progress: Progress | None) -> Iterator[_Line]:
    for part in predictor.predict_stream(rows):
        for i, error in enumerate(part.errors):
            row = part.start + i
            group = None if rows.groups is None else rows.groups[row]
            failures += [] if error is None else [error]
            classes = None if part.sets is None else part.sets[i]
            yield _Line(
                rows.names[row], group, None, str(part.classes[i]), part.probabilities[i], error=error, set=classes
            )
        if progress is not None:
            progress("predicting", part.start + len(part.errors), len(rows))


def _group_lines(
    predictor: Predictor, rows: NewRows, failures: list[str], progress: Progress | None
) -> Iterator[_Line]:
    """Yield, for each group, the mean probability over readable rows and what the rule decides on it."""
    logits, probabilities = [], []
    for part in predictor.predict_stream(rows):
        logits.append(part.logits)
        probabilities.append(part.probabilities)
        failures += [error for error in part.errors if error is not None]
        if progress is not None:
            progress("predicting", part.start + len(part.errors), len(rows))
    raw, shares = np.concatenate(logits), np.concatenate(probabilities)
    members: dict[str, list[int]] = {}
    for row, group in enumerate(rows.groups or ()):
        members.setdefault(group, []).append(row)
    for group, own in members.items():
        read = [row for row in own if np.isfinite(raw[row]).all()]
        lost = f"{len(own) - len(read)} of {len(own)} rows could not be read" if len(read) < len(own) else None
        if not read:
            yield _Line(group, group, len(own), "", np.full(raw.shape[1], np.nan), lost)
            continue
        scores, mean = pooled(raw[read], shares[read], np.array([0]))
        yield _Line(group, group, len(own), str(predictor.decided_names(scores, mean)[0]), mean[0], lost)


def _writer(
    stream: TextIO, form: Format, class_names: tuple[str, ...], first: tuple[str, ...], sets: bool
) -> Callable[[_Line], None]:
    """Return a function that writes a line; the head of a CSV file is written at once."""

    def key_values(line: _Line) -> dict[str, Any]:
        values = {"row": line.name, "group": line.group, "rows": line.rows}
        return {name: values[name] for name in first}

    if form == "jsonl":

        def write_object(line: _Line) -> None:
            known = np.isfinite(line.probabilities).all()
            shares = dict(zip(class_names, line.probabilities.tolist(), strict=True)) if known else None
            record = {**key_values(line), "class": line.decided or None}
            record |= {"set": line.set} if sets else {}
            record |= {"probabilities": shares, "error": line.error}
            stream.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")

        return write_object
    writer = csv.writer(stream, lineterminator="\n")
    extra = ("set",) if sets else ()
    writer.writerow((*first, "class", *extra, *(f"p:{name}" for name in class_names), "error"))

    def write_row(line: _Line) -> None:
        shares = ["" if np.isnan(p) else repr(float(p)) for p in line.probabilities]
        said = ("" if line.set is None else json.dumps(line.set, ensure_ascii=False),) if sets else ()
        writer.writerow((*key_values(line).values(), line.decided, *said, *shares, line.error or ""))

    return write_row
