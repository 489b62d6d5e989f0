"""Which rows belong to one group (patient), as far as that is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imbtk.audit.findings import MOST_ROWS, Cell, Finding, FindingTable, Level, first_rows
from imbtk.audit.subject import AuditedData
from imbtk.wording import listing, plural, several

__all__ = ["group_findings", "group_folders"]


_HINTS = {
    "table": " Name the column that says it: --group-column NAME.",
    "manifest": " Name the column that says it: --group-column NAME, or where in the path it stands: --group-pattern "
    "REGEX.",
    "folder": " Say where in the path the {noun} stands: --group-pattern REGEX.",
    "arrays": " Give the {noun} of each row as a third array: (x, y, groups).",
    "npz": " Give the {noun} of each row as the array 'groups'.",
}


def group_findings(subject: AuditedData) -> list[Finding]:
    """Return the findings on groups: how many each class has, and which stand in several classes."""
    if subject.groups is None:
        return [_unknown(subject)]
    found = [_per_class(subject, subject.groups)]
    mixed = _several_classes(subject, subject.groups)
    return found if mixed is None else [*found, mixed]


def _per_class(subject: AuditedData, groups: np.ndarray) -> Finding:
    dataset = subject.dataset
    rows: list[tuple[Cell, ...]] = []
    for k, name in enumerate(dataset.class_names):
        sizes = np.unique(groups[subject.labels == k], return_counts=True)[1]
        rows.append((name, len(sizes), round(float(np.median(sizes))), int(sizes.min()), int(sizes.max())))
    total, sizes = len(np.unique(groups)), np.bincount(groups)
    sizes = sizes[sizes > 0]
    origin = dataset.description.get("groups_from")
    text = (
        f"{plural(len(dataset), subject.noun)} come from {plural(total, subject.group_noun)}"
        f"{f' (known from {origin})' if origin else ''}, {int(sizes.min()):,} to {int(sizes.max()):,} each. A split "
        f"keeps each of them whole, and intervals count {subject.group_nouns}, not only {several(subject.noun)}."
    )
    few = [f"'{row[0]}' ({row[1]})" for row in rows if isinstance(row[1], int) and row[1] < 3]
    if few:
        text += (
            f" Too few {subject.group_nouns} to stand on each of three sides: {listing(few)}. Such a class cannot be "
            f"trained on, validated and tested without a leak: add {subject.group_nouns}, or merge the class with "
            "another."
        )
    columns = ("class", subject.group_nouns, f"{subject.noun}s of each, median", "least", "most")
    level: Level = "warning" if few else "ok"
    title = (
        f"Classes of one or two {subject.group_nouns}"
        if few
        else f"{subject.group_nouns.capitalize()} are known: {total:,}"
    )
    return Finding("groups", title, level, text, FindingTable(columns, tuple(rows)))


def _several_classes(subject: AuditedData, groups: np.ndarray) -> Finding | None:
    names = subject.dataset.class_names
    of_pair, class_of_pair = np.divmod(np.unique(groups * len(names) + subject.labels), len(names))
    number, first, classes = np.unique(of_pair, return_index=True, return_counts=True)
    torn = np.flatnonzero(classes > 1)
    if not len(torn):
        return None
    rows: list[tuple[Cell, ...]] = [
        (
            subject.group_name(int(number[g])),
            ", ".join(names[k] for k in class_of_pair[first[g] : first[g] + classes[g]]),
        )
        for g in torn[:MOST_ROWS]
    ]
    text = (
        f"{len(torn):,} of {plural(len(number), subject.group_noun)} have {subject.noun}s of more than one class. That "
        f"is as it should be where a class is a finding in one {subject.noun}; where it is what the whole "
        f"{subject.group_noun} is, one of the labels is wrong. Results are per {subject.noun} then, with intervals "
        f"over {subject.group_nouns}, unless --group-label says what class such a {subject.group_noun} is."
    )
    table = first_rows(rows, (subject.group_noun, "classes"))
    return Finding(
        "groups-of-several-classes", f"{subject.group_nouns.capitalize()} with several classes", "note", text, table
    )


def _unknown(subject: AuditedData) -> Finding:
    text = (
        f"Which {subject.noun}s come from one {subject.group_noun} is not known. If some do, a split puts them on "
        "both sides, and every metric is too good."
    )
    text += _HINTS.get(str(subject.dataset.description.get("source")), "").format(noun=subject.group_noun)
    candidates = group_folders(subject.dataset.row_names, subject.dataset.num_classes)
    for level, count in candidates:
        pattern = "^" + "[^/]+/" * (level - 1) + "([^/]+)/"
        text += f" The {count:,} folders of level {level} look like it: --group-pattern '{pattern}'."
    text += f" If no two {subject.noun}s share a {subject.group_noun}, all is well."
    return Finding("groups", f"{subject.group_nouns.capitalize()} are not known", "warning", text)


def group_folders(row_names: Sequence[str], num_classes: int) -> list[tuple[int, int]]:
    """Return levels of folders, from 1, that could be patients, each with its number of folders.

    There are more of them than classes, and at least two rows in each on average.

    Examples
    --------
    >>> group_folders([f"{patient}/{label}/{n}.png" for patient in "abc" for label in "01" for n in range(2)], 2)
    [(1, 3)]
    """
    parts = [name.split("/")[:-1] for name in row_names]
    depth = min((len(part) for part in parts), default=0)
    counts = [(level + 1, len({part[level] for part in parts})) for level in range(depth)]
    return [(level, count) for level, count in counts if max(num_classes, 2) < count <= len(parts) / 2]
