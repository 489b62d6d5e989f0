"""Rows that the user allows to be left out: copies with contradicting labels, and what leaks through a given split."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from imbtk.data.dataset import SPLIT_NAMES, Dataset, LeftOutRow
from imbtk.data.groups import GroupKeys, conflicting_sets, group_rows
from imbtk.data.labels import called, check_classes
from imbtk.data.options import DataOptions
from imbtk.errors import DataError
from imbtk.files import write_csv

__all__ = ["with_groups", "without_leaks", "write_left_out"]

FILE = "dropped.csv"
_LISTED = f"Row by row they stand in {FILE} of the run's folder."


def with_groups(dataset: Dataset, keys: GroupKeys | None, digests: np.ndarray, options: DataOptions) -> Dataset:
    """Return a data set of images with its groups, without what the options drop.

    Parameters
    ----------
    dataset : Dataset
        Without groups.
    keys : GroupKeys, optional
        Patients; None where they are not known.
    digests : ndarray of uint8, shape (N, 16)
        Of each image's pixels before resizing.
    options : DataOptions
        Its ``drop_conflicts`` and ``drop_leaks``.

    Raises
    ------
    DataError
        If identical images have different labels, or too little is left.
    """
    if options.drop_conflicts:
        kept, dataset = _without_conflicts(dataset, digests)
        keys, digests = None if keys is None else keys.take(kept), digests[kept]
    grouped = _grouped(dataset, keys, digests, options)
    if not options.drop_leaks:
        return grouped
    reasons = _leaks(grouped)
    if not reasons:
        return grouped
    # Grouped anew: what is said of identical images is to be said of those that are left.
    kept = np.array([row for row in range(len(dataset)) if row not in reasons], dtype=np.int64)
    left = _without(dataset, reasons, _leak_note(grouped, reasons))
    return _grouped(left, None if keys is None else keys.take(kept), digests[kept], options)


def without_leaks(dataset: Dataset) -> Dataset:
    """Return the data set without the rows whose group stands on a later side of the given split as well."""
    reasons = _leaks(dataset)
    return _without(dataset, reasons, _leak_note(dataset, reasons)) if reasons else dataset


def _grouped(dataset: Dataset, keys: GroupKeys | None, digests: np.ndarray, options: DataOptions) -> Dataset:
    said = [called(name) for name in dataset.row_names]
    grouping = group_rows(keys, digests, dataset.labels, dataset.class_names, said, options.faults)
    return dataclasses.replace(
        dataset,
        groups=grouping.groups,
        group_names=grouping.names,
        notes=(*dataset.notes, *grouping.notes()),
        description={**dataset.description, **grouping.facts()},
    )


def _without_conflicts(dataset: Dataset, digests: np.ndarray) -> tuple[np.ndarray, Dataset]:
    """Return the rows that stay, and the data set of them."""
    names, labels = dataset.class_names, dataset.labels.tolist()
    sets = conflicting_sets(digests, dataset.labels)
    reasons: dict[int, str] = {}
    for rows in sets:
        first = {labels[row]: f"{called(dataset.row_names[row])} ({names[labels[row]]})" for row in reversed(rows)}
        for row in rows:
            others = [other for label, other in sorted(first.items()) if label != labels[row]]
            reasons[row] = f"contradicting labels: identical to {' and '.join(others[:3])}"
    kept = np.array([row for row in range(len(dataset)) if row not in reasons], dtype=np.int64)
    if not reasons:
        return kept, dataset
    note = (
        f"{len(reasons)} images are left out, in {len(sets)} {'set' if len(sets) == 1 else 'sets'} of identical images "
        f"with different labels (--drop-conflicts). {_LISTED}"
    )
    return kept, _without(dataset, reasons, note)


def _leaks(dataset: Dataset) -> dict[int, str]:
    """Return the rows whose group has rows on a later side of the given split, each with the reason."""
    if dataset.given_split is None or dataset.groups is None:
        return {}
    sides, groups = dataset.given_split.numpy(), dataset.groups.numpy()
    last = np.full(int(groups.max(initial=-1)) + 1, -1, dtype=np.int64)
    np.maximum.at(last, groups, sides)
    rows = np.flatnonzero(sides < last[groups])
    known, names = dataset.description.get("groups_known", True), dataset.group_names
    there = np.flatnonzero(sides == last[groups])[::-1]
    first = np.zeros(len(last), dtype=np.int64)
    first[groups[there]] = there
    reasons = {}
    for row, group in zip(rows.tolist(), groups[rows].tolist(), strict=True):
        other = int(first[group])
        named = called(dataset.row_names[other] if dataset.row_names else str(other))
        where = f"on the {SPLIT_NAMES[last[group]]} side"
        name = names[group] if group < len(names) else str(group)
        reasons[row] = (
            f"leak: group {name} is {where} too ({named})" if known else f"leak: identical to {named} {where}"
        )
    return reasons


def _leak_note(dataset: Dataset, reasons: Mapping[int, str]) -> str:
    noun = "image" if dataset.kind == "images" else "row"
    sides = Counter() if dataset.given_split is None else Counter(dataset.given_split[list(reasons)].tolist())
    said = " and ".join(
        f"{sides[side]} {word} {noun}{'s' if sides[side] != 1 else ''}"
        for side, word in enumerate(("training", "validation"))
        if sides[side]
    )
    known = dataset.description.get("groups_known", True)
    what = "their groups (patients) stand" if known else "identical images stand"
    verb = "is" if len(reasons) == 1 else "are"
    return f"{said} {verb} left out, because {what} on a later side of the given split (--drop-leaks). {_LISTED}"


def _without(dataset: Dataset, reasons: Mapping[int, str], note: str) -> Dataset:
    """Return the data set without some rows, which it lists with their reasons.

    Raises
    ------
    DataError
        If too little is left to train on.
    """
    kept = torch.tensor([row for row in range(len(dataset)) if row not in reasons], dtype=torch.int64)
    digest = hashlib.sha256(str(dataset.description.get("digest", "")).encode() + kept.numpy().tobytes())
    sides, labels = dataset.given_split, dataset.labels
    left_out = tuple(
        LeftOutRow(
            dataset.row_names[row] if dataset.row_names else str(row),
            dataset.class_names[int(labels[row])],
            "" if sides is None else SPLIT_NAMES[int(sides[row])],
            reason,
        )
        for row, reason in sorted(reasons.items())
    )
    try:
        check_classes(labels[kept], dataset.class_names, dataset.name)
    except DataError as error:
        raise DataError(f"{note.partition(' Row by row')[0]} What is left is no data set. {error}") from None
    return dataclasses.replace(
        dataset,
        x=dataset.x[kept],
        labels=labels[kept],
        groups=None if dataset.groups is None else dataset.groups[kept],
        given_split=None if sides is None else sides[kept],
        group_truth=None if dataset.group_truth is None else dataset.group_truth[kept],
        row_names=tuple(dataset.row_names[row] for row in kept.tolist()) if dataset.row_names else (),
        notes=(*dataset.notes, note),
        description={**dataset.description, "digest": digest.hexdigest()},
        left_out=(*dataset.left_out, *left_out),
    )


def write_left_out(dataset: Dataset, folder: Path) -> None:
    """Write the rows that were left out of a data set, with side and reason, into a folder; no file if none were."""
    if dataset.left_out:
        rows = ((row.name, row.label, row.side, row.reason) for row in dataset.left_out)
        write_csv(folder / FILE, ("row", "label", "side", "reason"), rows)
