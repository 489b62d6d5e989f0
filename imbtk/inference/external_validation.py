"""A trained run on data that it has not seen: an external cohort, labelled or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imbtk._version import __version__
from imbtk.data.group_labels import column_classes, group_classes
from imbtk.data.group_rule import column_of
from imbtk.data.new_rows import NewRows
from imbtk.errors import DataError, ImbtkError, RunFolderError, did_you_mean
from imbtk.evaluation.evaluate import evaluate, metrics_document
from imbtk.files import write_csv, write_json
from imbtk.inference.predictor import Predictor
from imbtk.inference.prior_estimate import prior_document
from imbtk.report.evaluation_page import make_evaluation_page
from imbtk.runs.format import EVALUATION, METRICS, PREDICTIONS
from imbtk.runs.reading import RunRecord, SideRows, read_run
from imbtk.runs.seen import SeenRows, seen_document
from imbtk.runs.unfinished import check_unfinished, writing_folder
from imbtk.wording import listing

__all__ = ["Evaluation", "evaluate_new"]

SIDE = "test"
"""New data stand where test rows stand: in ``metrics.json``, in ``predictions.csv`` and on the page."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What came of an evaluation.

    Attributes
    ----------
    folder : Path
    document : dict
        What ``evaluation.json`` holds.
    metrics : dict, optional
        What ``metrics.json`` holds; None for data without labels.
    kind : str
        "images" or "table".
    """

    folder: Path
    document: dict[str, Any]
    metrics: dict[str, Any] | None
    kind: str


@dataclass(frozen=True)
class _Answers:
    """The readable rows with what the model says of them."""

    rows: np.ndarray
    names: list[str]
    labels: np.ndarray | None
    group_names: list[str] | None
    logits: np.ndarray
    probabilities: np.ndarray
    unreadable: list[tuple[str, str]]
    digests: np.ndarray | None
    group_classes: list[Any] | None

    @property
    def groups(self) -> np.ndarray | None:
        """Groups as numbers, (n,) int64."""
        if self.group_names is None:
            return None
        return np.unique(self.group_names, return_inverse=True)[1].astype(np.int64)


def evaluate_new(
    run: str | Path,
    predictor: Predictor,
    rows: NewRows,
    folder: Path,
    *,
    data: str,
    with_prior: bool = False,
    group_name: str | None = None,
    group_label: str | None = None,
    allow_seen: bool = False,
    discard_unfinished: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a run on new data and write a folder: metrics, predictions and page where there are labels.

    Parameters
    ----------
    run : path
        The run folder.
    predictor : Predictor
        Of this run, at the deployment prior that is wanted.
    rows : NewRows
        With labels, or without if `with_prior`.
    folder : Path
        Made here; must not exist.
    data : str
        What the data are called.
    with_prior : bool
        Estimate the class frequencies of the data from the probabilities alone.
    group_name, group_label : str, optional
        What a group is called, and what class it is: the run's own words and rule unless given.
    allow_seen : bool
        Go on where rows or groups are among those that the run was trained or validated on.
    discard_unfinished : bool
        Delete what an earlier evaluation left unfinished in the same place.
    progress : callable, optional
        ``(description, done, total)``.

    Raises
    ------
    DataError
        If there are no labels, one is no class of the run, no row can be read, or the run has seen some of them.
    ImbtkError
        If the folder exists, or something unfinished is in its way.
    """
    if folder.exists():
        raise ImbtkError(f"the folder '{folder}' exists already, and is not overwritten. Choose another --out.")
    check_unfinished(folder, discard_unfinished)
    record = read_run(Path(run))
    names = predictor.class_names
    if group_label is not None and rows.groups is None:
        raise DataError(
            f"--group-label {group_label}: which rows of '{data}' belong together is not known. Say so with "
            "--group-column, --group-pattern or --groups breakhis, or leave it out."
        )
    said = predictor.description
    noun, rule = group_name or said.get("group_name", "group"), group_label or said.get("group_label")
    if rows.labels is None and not with_prior:
        raise DataError(
            f"'{data}' has no labels that could be found. Say where they stand (--label-column, --label-level), or, "
            "for data without labels, predict them (imbtk predict) or estimate their class frequencies "
            "(--estimate-prior)."
        )
    labels = None if rows.labels is None else _numbers(rows, names)
    seen, kind = SeenRows.read(Path(run)), str(predictor.description["kind"])
    answers = _answers(predictor, rows, labels, seen, progress)
    met = seen_document(seen, answers.digests, answers.names, answers.group_names, kind)
    if met["refused"] and not allow_seen:
        raise DataError(_refusal(data, met))
    document = _document(run, predictor, answers, data, rows.notes) | {"seen": met, "group_name": noun}
    truth = _group_truth(record, answers, data, noun, rule)
    metrics = None if labels is None else _metrics(record, predictor, answers, truth, noun, rule)
    if with_prior:
        document["prior"] = prior_document(record, predictor, answers.logits, answers.groups, answers.labels)
    with writing_folder(folder, discard_unfinished) as temporary:
        write_json(temporary / EVALUATION, document)
        _write_predictions(temporary / PREDICTIONS, predictor, answers, truth)
        if metrics is not None:
            write_json(temporary / METRICS, metrics)
            make_evaluation_page(
                _record(temporary, record, predictor, answers, group_truth=truth, metrics=metrics, data=data), document
            )
    return Evaluation(folder, document, metrics, kind)


def _refusal(data: str, met: dict[str, Any]) -> str:
    """Return why rows that were seen are not evaluated, and what to do."""
    names = ""
    if met["groups"]:
        names = " Groups are compared by name: if these are others of the same names, say --allow-seen too."
    return (
        f"'{data}' is not new to this run: {met['said']} Metrics on such rows say nothing about new ones. Take them "
        "out (split.csv of the run names its test rows), or evaluate all the same with --allow-seen (allow_seen=True "
        f"in Python): page and evaluation.json will say how many were seen.{names}"
    )


def _numbers(rows: NewRows, class_names: tuple[str, ...]) -> np.ndarray:
    """Return the class number of each row, (N,) int64."""
    labels = rows.labels or ()
    missing = [name for name, label in zip(rows.names, labels, strict=True) if not label]
    if missing:
        raise DataError(
            f"{rows.labels_from}: no label for {len(missing)} of {len(labels)} rows: {listing(missing)}. Fill them in "
            "or take these rows out."
        )
    unknown = sorted(set(labels) - set(class_names))
    if unknown:
        first = unknown[0]
        raise DataError(
            f"{rows.labels_from}: the model knows no class {listing([repr(name) for name in unknown], 5)} "
            f"({sum(label == first for label in labels)} rows of '{first}').{did_you_mean(first, class_names)} Labels "
            "must be called as they were in training."
        )
    number = {name: k for k, name in enumerate(class_names)}
    return np.array([number[label] for label in labels], dtype=np.int64)


def _answers(
    predictor: Predictor,
    rows: NewRows,
    labels: np.ndarray | None,
    seen: SeenRows | None,
    progress: Progress | None,
) -> _Answers:
    logits, probabilities = [], []
    digests: list[np.ndarray] = []
    note = None if seen is None else lambda samples: digests.append(seen.row_digests(samples.numpy()))
    errors: list[str | None] = []
    for part in predictor.predict_stream(rows, note):
        logits.append(part.logits)
        probabilities.append(part.probabilities)
        errors += part.errors
        if progress is not None:
            progress("predicting", part.start + len(part.errors), len(rows))
    good = np.array([error is None for error in errors])
    unreadable = [(rows.names[i], str(errors[i])) for i in np.flatnonzero(~good)]
    if not good.any():
        raise DataError(f"none of the {len(rows)} rows could be read. The first one: {unreadable[0][1]}")
    kept = np.flatnonzero(good)
    return _Answers(
        rows=kept,
        names=[rows.names[i] for i in kept],
        labels=None if labels is None else labels[kept],
        group_names=None if rows.groups is None else [rows.groups[i] for i in kept],
        logits=np.concatenate(logits)[kept],
        probabilities=np.concatenate(probabilities)[kept],
        unreadable=unreadable,
        digests=np.concatenate(digests) if digests else None,
        group_classes=None if rows.group_classes is None else [rows.group_classes[i] for i in kept],
    )


def _document(
    run: str | Path, predictor: Predictor, answers: _Answers, data: str, notes: tuple[str, ...]
) -> dict[str, Any]:
    """Return what ``evaluation.json`` holds, but for the estimated prior."""
    names, groups = predictor.class_names, answers.groups
    counts = None if answers.labels is None else np.bincount(answers.labels, minlength=len(names)).tolist()
    return {
        "schema_version": EVALUATION.schema,
        "imbtk": __version__,
        "run": str(run),
        "data": data,
        "class_names": list(names),
        "rows": len(answers.rows),
        "groups": None if groups is None else len(np.unique(groups)),
        "class_counts": counts,
        "missing_classes": [name for name, count in zip(names, counts or (), strict=False) if not count],
        "unreadable": [list(pair) for pair in answers.unreadable],
        "notes": list(notes),
        "deployment_prior": predictor.description["deployment_prior"],
        "decision": predictor.decision.to_json(),
        "prior": None,
    }


def _group_truth(record: RunRecord, answers: _Answers, data: str, noun: str, rule: str | None) -> np.ndarray | None:
    """Return the class of each row's group by the rule, (n,) int64; None without a rule, groups or labels."""
    if rule is None or answers.groups is None or answers.group_names is None or answers.labels is None:
        return None
    names = record.class_names
    if (column := column_of(rule)) is None:
        return group_classes(rule, answers.labels, answers.groups, names, record.train_counts or [1] * len(names))
    if answers.group_classes is None:
        raise DataError(
            f"--group-label {rule}: '{data}' has no columns, which only manifests and tables have. Use any:CLASS or "
            "majority."
        )
    return column_classes(answers.group_classes, answers.group_names, names, f"column '{column}' of '{data}'", noun)


def _metrics(
    run: RunRecord,
    predictor: Predictor,
    answers: _Answers,
    group_truth: np.ndarray | None,
    group_name: str,
    group_label: str | None,
) -> dict[str, Any]:
    if answers.labels is None:
        raise DataError("there are no labels to evaluate with.")
    names = predictor.class_names
    if names != run.class_names:
        raise RunFolderError(f"'{run.folder}': metrics.json and model.json name other classes. Repeat the run.")
    positive = run.metrics.get("positive_class")
    given: dict[str, Any] = {
        "train_counts": run.train_counts,
        "positive": names.index(positive) if positive in names else None,
        "seed": int(run.metrics.get("seed", 0)),
        "group_name": group_name,
    }
    side = evaluate(
        answers.labels,
        answers.logits,
        predictor.calibration,
        predictor.decision,
        names,
        groups=answers.groups,
        group_truth=group_truth,
        **given,
    )
    return METRICS.stamped(metrics_document({SIDE: side}, class_names=names, group_label=group_label, **given))


def _record(
    folder: Path,
    run: RunRecord,
    predictor: Predictor,
    answers: _Answers,
    group_truth: np.ndarray | None,
    metrics: dict[str, Any],
    data: str,
) -> RunRecord:
    """Return the evaluation as a page's sections read a run."""
    names, groups = predictor.class_names, answers.group_names
    labels = answers.labels if answers.labels is not None else np.zeros(0, dtype=np.int64)
    split = [
        {
            "row": str(row),
            "file": answers.names[i],
            "label": names[labels[i]],
            "group": "" if groups is None else groups[i],
            "split": SIDE,
        }
        for i, row in enumerate(answers.rows.tolist())
    ]
    side = SideRows(
        answers.rows,
        None if groups is None else np.array(groups, dtype=object),
        labels,
        predictor.decision.decide(answers.logits, answers.probabilities),
        answers.probabilities,
        group_truth,
    )
    kind = str(predictor.description["kind"])
    return RunRecord(
        folder=folder,
        config={"data": data},
        plan={},
        environment={},
        metrics=metrics,
        split=split,
        history={},
        predictions={SIDE: side},
        gallery=None,
        audit=None,
        kind=kind,
    )


def _write_predictions(path: Path, predictor: Predictor, answers: _Answers, group_truth: np.ndarray | None) -> None:
    names = predictor.class_names
    decided = predictor.decided_names(answers.logits, answers.probabilities)
    head = ("row", "split", "group", "truth", "predicted", *(f"p:{name}" for name in names), "file")
    head += () if group_truth is None else ("group_truth",)
    head += () if predictor.decision.sets is None else ("set",)
    sets = () if predictor.decision.sets is None else predictor.decision.named_sets(answers.logits, names)

    def lines() -> Iterator[Sequence[Any]]:
        for i, row in enumerate(answers.rows.tolist()):
            truth = "" if answers.labels is None else names[answers.labels[i]]
            group = "" if answers.group_names is None else answers.group_names[i]
            shares = [repr(float(p)) for p in answers.probabilities[i]]
            last: tuple[str, ...] = () if group_truth is None else (names[group_truth[i]],)
            last += (json.dumps(sets[i], ensure_ascii=False),) if sets else ()
            yield (row, SIDE, group, truth, decided[i], *shares, answers.names[i], *last)

    write_csv(path, head, lines())
