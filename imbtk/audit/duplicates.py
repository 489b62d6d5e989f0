"""Rows that are in the data more than once: identical ones, nearly identical images, and what they do to a split."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from imbtk.audit.findings import MOST_ROWS, Cell, Finding, FindingTable, Level, first_rows
from imbtk.audit.near_duplicates import (
    LEAST_CONTRAST,
    MOST_BITS,
    SMALLEST_CORRELATION,
    confirmed,
    content_numbers,
    near_pairs,
    perceptual_hashes,
)
from imbtk.audit.subject import AuditedData
from imbtk.data.dataset import SPLIT_NAMES
from imbtk.wording import join_words, plural

__all__ = ["copy_findings"]

MANY = 0.01
"""Share of images with a near copy from which a split by chance is in danger."""

SMALLEST_SIDE = 8


def copy_findings(subject: AuditedData) -> list[Finding]:
    """Return the findings on contradicting labels, identical rows, nearly identical and empty images."""
    dataset = subject.dataset
    content = content_numbers(dataset.x)
    if dataset.kind == "table":
        return [_identical(subject, content, np.zeros(len(dataset), dtype=bool))]
    constant = _is_constant(subject)
    found = [_conflicts(subject)] if subject.faults.conflicts else []
    found.append(_identical(subject, content, constant))
    if min(dataset.sample_shape[1:]) >= SMALLEST_SIDE:
        found.append(_nearly_identical(subject, content, constant))
    return [*found, _constant(subject, constant)]


def _conflicts(subject: AuditedData) -> Finding:
    sets = subject.faults.conflicts
    text = (
        f"Identical images have different labels, {plural(len(sets), 'time')}. One of the labels is wrong, or the "
        "image does not decide the class; no result on them can be right. imbtk run refuses these data: correct the "
        "labels, take these images out, or have every copy left out: --drop-conflicts."
    )
    rows: list[tuple[Cell, ...]] = [
        (" = ".join(name for name, _ in members[:4]), ", ".join(dict.fromkeys(label for _, label in members)))
        for members in sets
    ]
    table = first_rows(rows, ("identical images", "classes"))
    return Finding("conflicting-labels", "Labels contradict each other", "error", text, table)


def _is_constant(subject: AuditedData) -> np.ndarray:
    """Return which images hold one colour only, (N,) bool."""
    flat = subject.dataset.x.flatten(2)
    constant: np.ndarray = (flat.amin(dim=2) == flat.amax(dim=2)).all(dim=1).numpy()
    return constant


def _constant(subject: AuditedData, constant: np.ndarray) -> Finding:
    rows = np.flatnonzero(constant).tolist()
    if not rows:
        return Finding("constant", "No empty image", "ok", "Every image holds more than one colour.")
    text = (
        f"{plural(len(rows), 'image')} of one colour, with nothing to be learnt from. Empty fields, failed exports? "
        "If so, take them out."
    )
    named: list[tuple[Cell, ...]] = [(subject.row_name(row), subject.class_name(row)) for row in rows]
    title = "An image of one colour" if len(rows) == 1 else f"{len(rows):,} images of one colour"
    return Finding("constant", title, "warning", text, first_rows(named, ("image", "class")))


def _identical(subject: AuditedData, content: np.ndarray, constant: np.ndarray) -> Finding:
    """Return the finding on rows that are the same as they are stored, images of one colour left out."""
    noun = subject.noun
    rows = np.flatnonzero((np.bincount(content)[content] > 1) & ~constant)
    if not len(rows):
        return Finding("identical", f"No identical {noun}s", "ok", f"No {noun} is in the data twice.")
    order = rows[np.argsort(content[rows], kind="stable")]
    sets = np.split(order, np.flatnonzero(np.diff(content[order])) + 1)
    sizes = np.array([len(members) for members in sets])
    starts = np.cumsum(sizes) - sizes
    pairs = np.column_stack([np.repeat(order[starts], sizes - 1), np.delete(order, starts)])
    crossing = _crossings(subject, pairs)
    text = f"{plural(len(rows), noun)} in {plural(len(sets), 'set')} are identical to others."
    text += _crossing_text(crossing, pairs)
    if noun == "image":
        text += (
            " Identical images stay on one side of every split that imbtk makes, and count as one {subject.group_noun}."
        )
        if "classes" in crossing and not subject.faults.conflicts:
            text += " Those of two classes differ in the files, but no longer at the size at which they are stored."
    elif "classes" in crossing:
        text += " Where rows of two classes are the same, the features do not decide the class."
    members_of: list[tuple[Cell, ...]] = [_set_row(subject, members) for members in sets[:MOST_ROWS]]
    level: Level = "warning" if crossing else "note"
    title = f"{plural(len(sets), 'set')} of identical {noun}s"
    return Finding("identical", title, level, text, first_rows(members_of, (f"{noun}s", "classes", "how many")))


def _set_row(subject: AuditedData, members: np.ndarray) -> tuple[Cell, ...]:
    names = " = ".join(map(subject.row_name, members[:4].tolist()))
    return names, ", ".join(dict.fromkeys(map(subject.class_name, members.tolist()))), len(members)


def _crossings(subject: AuditedData, pairs: np.ndarray) -> dict[str, np.ndarray]:
    """Return which pairs lie across sides, classes and patients, (M,) bool; what does not occur is left out."""
    left, right = pairs.T
    crossing = {}
    if subject.sides is not None:
        one, other = subject.sides[left], subject.sides[right]
        crossing["sides of the split"] = (one != other) & (one >= 0) & (other >= 0)
    crossing["classes"] = subject.labels[left] != subject.labels[right]
    if subject.groups is not None:
        crossing[subject.group_nouns] = subject.groups[left] != subject.groups[right]
    return {where: across for where, across in crossing.items() if across.any()}


def _crossing_text(crossing: dict[str, np.ndarray], pairs: np.ndarray) -> str:
    if not crossing:
        return ""
    told = [f"{int(across.sum()):,} across {where}" for where, across in crossing.items()]
    return f" Of {plural(len(pairs), 'pair')}, {join_words(told)}."


def _nearly_identical(subject: AuditedData, content: np.ndarray, constant: np.ndarray) -> Finding:
    x = subject.dataset.x
    hashes, contrast = perceptual_hashes(x, subject.progress)
    candidates = near_pairs(hashes, np.flatnonzero((contrast >= LEAST_CONTRAST) & ~constant))
    pairs = candidates.pairs[content[candidates.pairs[:, 0]] != content[candidates.pairs[:, 1]]]
    pairs = pairs[confirmed(x, pairs)]
    if not len(pairs):
        text = (
            "No two images are nearly the same, as by saving one again, making it smaller or brighter. Images that "
            "were cut, shifted, turned or mirrored are not found."
        )
        return Finding("near-identical", "No nearly identical images", "ok", text)
    rows = np.unique(pairs)
    edges = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(x), len(x)))
    sets = len(np.unique(connected_components(edges, directed=False)[1][rows]))
    crossing = _crossings(subject, pairs)
    at_risk = subject.groups is None and subject.sides is None and len(rows) >= MANY * len(x)
    text = (
        f"{'' if candidates.complete else 'At least '}{plural(len(rows), 'image')} in {plural(sets, 'set')} are nearly "
        f"the same: at most {MOST_BITS} of the 63 bits of their perceptual hashes differ, and their thumbnails "
        f"correlate with {SMALLEST_CORRELATION} or more."
    )
    text += _crossing_text(crossing, pairs) + _near_advice(subject, crossing, at_risk)
    title = f"{plural(len(rows), 'image')} nearly identical to another"
    level: Level = "warning" if crossing or at_risk else "note"
    return Finding("near-identical", title, level, text, _pair_table(subject, pairs, crossing))


def _near_advice(subject: AuditedData, crossing: dict[str, np.ndarray], at_risk: bool) -> str:
    text = ""
    if "sides of the split" in crossing:
        text += " The model is tested on what it has seen: put both of a pair on one side, or take one out."
    if "classes" in crossing:
        text += " Look at those of two classes: one of the labels may be wrong."
    if subject.group_nouns in crossing:
        one = subject.group_noun
        text += f" Look at those of two {subject.group_nouns}: it may be one {one} under two names."
    if at_risk:
        text += (
            f" {subject.group_nouns.capitalize()} are not known, so that a split by chance puts some pairs on both "
            "sides: say what belongs together with --group-column or --group-pattern."
        )
    return text


def _pair_table(subject: AuditedData, pairs: np.ndarray, crossing: dict[str, np.ndarray]) -> FindingTable | None:
    """Return the pairs, those first that lie across most."""
    worst = np.argsort(-np.sum([np.zeros(len(pairs)), *crossing.values()], axis=0), kind="stable")[:50]
    columns: list[str] = ["image", "nearly the same", "classes"]
    rows: list[tuple[Cell, ...]] = []
    for left, right in pairs[worst].tolist():
        row = [
            subject.row_name(left),
            subject.row_name(right),
            _both(subject.class_name(left), subject.class_name(right)),
        ]
        if subject.sides is not None:
            row.append(_both(*(SPLIT_NAMES[s] if s >= 0 else "unused" for s in subject.sides[[left, right]].tolist())))
        if subject.groups is not None:
            row.append(_both(*map(subject.group_name, subject.groups[[left, right]].tolist())))
        rows.append(tuple(row))
    columns += ["sides"] if subject.sides is not None else []
    columns += [subject.group_nouns] if subject.groups is not None else []
    return first_rows(rows, columns)


def _both(one: str, other: str) -> str:
    return one if one == other else f"{one}, {other}"
