"""A split that the data give: what is on each side, and whether it leaks."""

from __future__ import annotations

import numpy as np

from imbtk.audit.findings import Cell, Finding, FindingTable, Level, first_rows
from imbtk.audit.subject import AuditedData
from imbtk.authoring.context import Split
from imbtk.data.dataset import SPLIT_NAMES
from imbtk.data.leaks import straddlers
from imbtk.wording import listing, plural

__all__ = ["split_findings"]


def split_findings(subject: AuditedData) -> list[Finding]:
    """Return the findings on the split that the data give, none if they give none."""
    if subject.split is None or subject.sides is None:
        return []
    return [_counts(subject, subject.sides), _leak(subject, subject.split)]


def _counts(subject: AuditedData, sides: np.ndarray) -> Finding:
    dataset = subject.dataset
    counts = [np.bincount(subject.labels[sides == side], minlength=dataset.num_classes) for side in range(3)]
    rows: list[tuple[Cell, ...]] = [
        (name, *(int(side[k]) for side in counts)) for k, name in enumerate(dataset.class_names)
    ]
    sizes = [f"{int(side.sum()):,} {name}" for name, side in zip(SPLIT_NAMES, counts, strict=True)]
    text = f"The split has {listing(sizes)} {subject.noun}s."
    level: Level = "ok"
    title = "Every class is on every side"
    lacking = [name for name, side in zip(SPLIT_NAMES, counts, strict=True) if not side.sum()]
    if lacking:
        text += f" What it lacks ({listing(lacking)}) is cut from its training rows."
    for side, name in enumerate(SPLIT_NAMES):
        absent = [repr(dataset.class_names[k]) for k in np.flatnonzero(counts[side] == 0)]
        if not absent or name in lacking:
            continue
        title = "A side of the split lacks classes"
        level = "error" if side == 0 or level == "error" else "warning"
        consequence = "it cannot be learnt" if side == 0 else "metrics of it cannot be computed there"
        text += f" No {name} {subject.noun} of class {listing(absent)}: {consequence}."
    table = FindingTable(("class", *SPLIT_NAMES), tuple(rows))
    return Finding("split", title, level, text, table)


def _leak(subject: AuditedData, split: Split) -> Finding:
    known = subject.groups is not None
    torn = straddlers(subject.dataset, split)
    one = subject.group_noun
    what, many = (one, subject.group_nouns) if known else ("set of identical images", "sets of identical images")
    if not torn:
        text = (
            f"Every {one} was looked at: none is on two sides."
            if known
            else f"No identical {subject.noun}s are on two sides. {subject.group_nouns.capitalize()} are not known, so "
            "whether one of them is, cannot be told."
        )
        title = "The split does not leak" if known else "No leak that could be seen"
        return Finding("leak", title, "ok" if known else "note", text)
    text = (
        f"{len(torn):,} {what if len(torn) == 1 else many} on more than one side of the split: {listing(torn, 5)}. "
        "What the model has seen in training it would be tested on: every metric would be too good. imbtk run refuses "
        "this split: correct it; or have these rows left out of training and validation: --drop-leaks; or let imbtk "
        "split whole groups: --ignore-split."
    )
    rows: list[tuple[Cell, ...]] = [(straddler.name, *straddler.rows) for straddler in torn]
    title = f"The split leaks: {plural(len(torn), one)}" if known else "The split leaks identical images"
    return Finding("leak", title, "error", text, first_rows(rows, (what, *SPLIT_NAMES)))
