"""A run folder, read back: everything the page says comes from here."""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from imbtk.errors import RunFolderError
from imbtk.files import read_document, read_versioned
from imbtk.runs.metrics import read_metrics

__all__ = ["SCHEMA_VERSION", "SIDES", "Gallery", "RunRecord", "SideRows", "read_run", "sample_kind"]

SCHEMA_VERSION = 1
SIDES = ("train", "validation", "test")
REQUIRED = (
    "config.toml",
    "plan.json",
    "environment.json",
    "split.csv",
    "history.csv",
    "metrics.json",
    "predictions.csv",
)


@dataclass(frozen=True)
class SideRows:
    """The rows of ``predictions.csv`` of one side.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Row of the data set.
    groups : ndarray of str, shape (n,), optional
        Group (patient) of each row; None where groups are not known.
    truth, predicted : ndarray of int64, shape (n,)
        Classes; `predicted` is -1 where the decision was left open.
    probabilities : ndarray of float64, shape (n, K)
    group_truth : ndarray of int64, shape (n,), optional
        The class of each row's group, where the user said by which rule.
    """

    rows: np.ndarray
    groups: np.ndarray | None
    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    group_truth: np.ndarray | None = None

    @cached_property
    def group_numbers(self) -> np.ndarray | None:
        """Return the groups as numbers from 0, int64 of shape (n,)."""
        if self.groups is None:
            return None
        return np.unique(self.groups.astype(str), return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Gallery:
    """Example images, uint8.

    Attributes
    ----------
    classes : ndarray of int64, shape (k,)
        The classes that are shown.
    originals, augmented : ndarray, shape (k, m, H, W, C), optional
    mistakes : ndarray, shape (t, H, W, C), optional
    mistake_rows : ndarray of int64, shape (t,)
    """

    classes: np.ndarray
    originals: np.ndarray | None
    augmented: np.ndarray | None
    mistakes: np.ndarray | None
    mistake_rows: np.ndarray


@dataclass(frozen=True)
class RunRecord:
    """What a run left behind.

    Attributes
    ----------
    folder : Path
    config, plan, environment, metrics : dict
    split : list of dict
        ``row, file, label, group, split`` of each row, as text.
    history : dict of str to ndarray
        Numeric columns of ``history.csv``; NaN where a cell is empty.
    predictions : dict of str to SideRows
        By side.
    gallery : Gallery, optional
    audit : list of dict, optional
        Findings of ``imbtk check``.
    kind : str, optional
        "images" or "table".
    """

    folder: Path
    config: dict[str, Any]
    plan: dict[str, Any]
    environment: dict[str, Any]
    metrics: dict[str, Any]
    split: list[dict[str, str]]
    history: dict[str, np.ndarray]
    predictions: dict[str, SideRows]
    gallery: Gallery | None
    audit: list[dict[str, Any]] | None
    kind: str | None

    @cached_property
    def shared(self) -> dict[str, Any]:
        """What is worked out once and read by many sections, by a name of theirs."""
        return {}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the K classes."""
        return tuple(self.metrics["class_names"])

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def train_counts(self) -> list[int] | None:
        """Training rows per class."""
        counts = self.metrics.get("train_counts")
        return None if counts is None else [int(c) for c in counts]

    @property
    def positive(self) -> int | None:
        """The positive class of binary data."""
        name = self.metrics.get("positive_class")
        return self.class_names.index(name) if name in self.class_names else None

    @property
    def group_noun(self) -> str:
        """What a group of rows is called: ``"patient"``, ``"group"``."""
        return str(self.metrics.get("group_name", "group"))

    @property
    def groups_known(self) -> bool:
        """Whether rows carry a group (patient)."""
        return any(row["group"] for row in self.split)

    @property
    def noun(self) -> str:
        """What a row is called: ``"image"``, or ``"row"`` of a table."""
        return "image" if self.kind == "images" else "row"

    @cached_property
    def file_names(self) -> dict[int, str]:
        """Name of each row's file."""
        return {int(row["row"]): row["file"] for row in self.split}


def read_run(folder: Path) -> RunRecord:
    """Read a run folder.

    Raises
    ------
    RunFolderError
        If files are missing or broken, or a newer imbtk wrote them.
    """
    folder = Path(folder)
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        what = "is no folder" if not folder.is_dir() else f"lacks {', '.join(missing)}"
        raise RunFolderError(
            f"{folder} {what}, so there is no finished run to report on. Give the folder of a run that came to its "
            "end (it is printed at the end of 'imbtk run')."
        )
    metrics = read_metrics(folder / "metrics.json")
    plan = read_versioned(folder / "plan.json", SCHEMA_VERSION)
    return RunRecord(
        folder=folder,
        config=_toml(folder / "config.toml"),
        plan=plan,
        environment=read_document(folder / "environment.json"),
        metrics=metrics,
        split=_table(folder / "split.csv", ("row", "file", "label", "group", "split")),
        history=_history(folder / "history.csv"),
        predictions=_predictions(folder / "predictions.csv", metrics["class_names"]),
        gallery=_gallery(folder / "gallery.npz"),
        audit=_audit(folder / "audit.json"),
        kind=sample_kind(folder),
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunFolderError(f"{path} cannot be read as TOML: {error}.") from None


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise RunFolderError(f"{path} lacks the column {', '.join(missing)}. Repeat the run from its config.toml.")
        return list(reader)


def _history(path: Path) -> dict[str, np.ndarray]:
    rows = _table(path, ("epoch",))
    columns: dict[str, np.ndarray] = {}
    for name in rows[0] if rows else ():
        try:
            columns[name] = np.array([float(row[name]) if row[name] else math.nan for row in rows])
        except (TypeError, ValueError):
            continue  # a plugin may log text
    return columns


def _predictions(path: Path, class_names: Sequence[str]) -> dict[str, SideRows]:
    columns = ("row", "split", "group", "truth", "predicted", *(f"p:{name}" for name in class_names))
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        head = next(reader, [])
        missing = [name for name in columns if name not in head]
        if missing:
            raise RunFolderError(f"{path} lacks the column {', '.join(missing)}. Repeat the run from its config.toml.")
        lines = list(reader)
    place = {name: head.index(name) for name in columns}
    number = {name: k for k, name in enumerate(class_names)}
    probabilities = [place[f"p:{name}"] for name in class_names]
    said = head.index("group_truth") if "group_truth" in head else None
    sides: dict[str, SideRows] = {}
    try:
        for side in dict.fromkeys(line[place["split"]] for line in lines):
            mine = [line for line in lines if line[place["split"]] == side]
            groups = np.array([line[place["group"]] for line in mine], dtype=object)
            sides[side] = SideRows(
                rows=np.array([int(line[place["row"]]) for line in mine], dtype=np.int64),
                groups=groups if all(groups) else None,
                truth=np.array([number[line[place["truth"]]] for line in mine], dtype=np.int64),
                predicted=np.array([number.get(line[place["predicted"]], -1) for line in mine], dtype=np.int64),
                probabilities=np.array([[float(line[c]) for c in probabilities] for line in mine], dtype=np.float64),
                group_truth=None if said is None else np.array([number[line[said]] for line in mine], dtype=np.int64),
            )
    except (ValueError, KeyError, IndexError) as error:
        raise RunFolderError(f"{path} has a line that cannot be read: {error}. Repeat the run.") from None
    return sides


def _gallery(path: Path) -> Gallery | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}. Delete it to make the page without images.") from None
    originals = arrays.get("originals")
    classes = arrays.get("classes", np.arange(0 if originals is None else len(originals)))
    rows = arrays.get("mistake_rows", np.zeros(0, dtype=np.int64))
    return Gallery(classes, originals, arrays.get("augmented"), arrays.get("mistakes"), rows)


def _audit(path: Path) -> list[dict[str, Any]] | None:
    if not path.is_file():
        return None
    try:
        findings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunFolderError(f"{path} cannot be read as JSON: {error}.") from None
    if isinstance(findings, dict):
        findings = findings.get("findings", [])
    return [finding for finding in findings if isinstance(finding, dict)]


def sample_kind(folder: Path) -> str | None:
    """Return "images" or "table", as the saved model says; without one, "images" where some were kept, else None."""
    path = Path(folder) / "model" / "model.json"
    kind = read_document(path).get("kind") if path.is_file() else None
    if kind is None and (Path(folder) / "gallery.npz").is_file():
        return "images"
    return None if kind is None else str(kind)
