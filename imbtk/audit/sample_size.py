"""What the data can show: how many patients a test would rest on, and how wide its interval would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imbtk.audit.findings import Cell, Finding, FindingTable, Level
from imbtk.audit.subject import AuditedData
from imbtk.data.dataset import SPLIT_NAMES
from imbtk.data.hold_out import TEST_SHARE, VALIDATION_SHARE
from imbtk.evaluation.intervals import Interval, clopper_pearson
from imbtk.wording import plural, several

__all__ = ["FEW_GROUPS", "SENSITIVITY", "Prospect", "prospect_findings", "prospects_of"]

SENSITIVITY = 0.8
"""The sensitivity for which widths are told: one that is good, with room on both sides."""

FEW_GROUPS = 20
"""With fewer groups than this in a class, intervals are wide and not to be leant on."""


@dataclass(frozen=True)
class Prospect:
    """What one class would have on one side.

    Attributes
    ----------
    class_name, side : str
    groups, rows : int
        Without known groups, every row is one of its own.
    """

    class_name: str
    side: str
    groups: int
    rows: int

    def interval(self, units: int) -> Interval | None:
        """Return the 95 % interval of a sensitivity of :data:`SENSITIVITY` on so many independent units."""
        return clopper_pearson(SENSITIVITY * units, units) if units else None


def prospects_of(subject: AuditedData, class_number: int) -> tuple[Prospect, ...]:
    """Return what a class would have in training, validation and test, and if every group were tested once."""
    mine = subject.labels == class_number
    groups = np.arange(len(mine)) if subject.groups is None else subject.groups
    name = subject.dataset.class_names[class_number]
    sides = np.zeros(len(mine), dtype=np.int64) if subject.sides is None else subject.sides
    found = []
    for side, origin, share in _origins(sides):
        here = mine & (sides == origin)
        n_groups, n_rows = (round(share * n) for n in (len(np.unique(groups[here])), int(here.sum())))
        found.append(Prospect(name, side, n_groups, n_rows))
    return (*found, Prospect(name, "all (folds)", len(np.unique(groups[mine])), int(mine.sum())))


def _origins(sides: np.ndarray) -> list[tuple[str, int, float]]:
    """Return each side, the given side that its rows come from, and which share: what is lacking is cut off."""
    present = [bool((sides == side).any()) for side in range(3)]
    test = 0.0 if present[2] else TEST_SHARE
    validation = 0.0 if present[1] else (1 - test) * VALIDATION_SHARE / (1 - TEST_SHARE)
    cut = {0: 1 - test - validation, 1: validation, 2: test}
    return [
        (SPLIT_NAMES[side], side, 1.0) if side and present[side] else (SPLIT_NAMES[side], 0, cut[side])
        for side in range(3)
    ]


def _weakest(subject: AuditedData) -> list[int]:
    """Return the class that is rarest in training, and the one with the fewest groups where that is another."""
    # A run trains on fewer rows than there are where an imbalance is induced.
    labels = subject.labels if subject.split is None else subject.labels[subject.split.train.numpy()]
    counts = np.bincount(labels, minlength=subject.dataset.num_classes)
    rarest = int(counts.argmin())
    if subject.groups is None:
        return [rarest]
    groups = [len(np.unique(subject.groups[subject.labels == k])) for k in range(len(counts))]
    fewest = int(np.argmin(groups))
    return [rarest] if groups[fewest] == groups[rarest] else [rarest, fewest]


def _interval_text(interval: Interval | None) -> str:
    return "none" if interval is None else f"{interval[0]:.2f}–{interval[1]:.2f}"


def prospect_findings(subject: AuditedData) -> list[Finding]:
    """Return the finding on what the rarest class can be expected to show."""
    chosen = [prospects_of(subject, k) for k in _weakest(subject)]
    unit = subject.noun if subject.groups is None else subject.group_noun
    test = min((prospects[2] for prospects in chosen), key=lambda prospect: prospect.groups)
    text = _text(subject, chosen[0], test, unit)
    title = f"The test would rest on {plural(test.groups, unit)} of '{test.class_name}'"
    level: Level = "warning" if test.groups < FEW_GROUPS else "ok"
    return [Finding("prospects", title, level, text, _table(subject, [p for prospects in chosen for p in prospects]))]


def _table(subject: AuditedData, prospects: Sequence[Prospect]) -> FindingTable:
    """Return what each class would have on each side, with intervals for the sides that are evaluated."""
    known, noun = subject.groups is not None, f"{subject.noun}s"
    rows: list[tuple[Cell, ...]] = []
    for prospect in prospects:
        units = (prospect.groups, prospect.rows) if known else (prospect.rows,)
        evaluated = prospect.side != SPLIT_NAMES[0]
        intervals = [_interval_text(prospect.interval(n)) if evaluated else None for n in units]
        rows.append((prospect.class_name, prospect.side, *units, *intervals))
    counted = (subject.group_nouns, noun) if known else (noun,)
    columns = ("class", "side", *counted, *(f"interval by {unit}" for unit in counted))
    return FindingTable(columns, tuple(rows))


def _text(subject: AuditedData, rarest: tuple[Prospect, ...], test: Prospect, unit: str) -> str:
    train, validation, tested, everyone = rarest
    cut = "The split puts" if subject.split is not None else "A split of 64 / 16 / 20 % puts about"
    text = (
        f"{cut} {train.groups:,}, {validation.groups:,} and {tested.groups:,} {several(unit)} of the rarest class, "
        f"'{tested.class_name}', in training, validation and test."
    )
    interval = test.interval(test.groups)
    if interval is None:
        return f"{text} With no {unit} of '{test.class_name}' in the test, nothing can be said of that class."
    about = "it" if test.class_name == tested.class_name else f"'{test.class_name}', the class with the fewest"
    text += (
        f" A sensitivity of {SENSITIVITY:.2f} for {about} would have the 95 % interval {_interval_text(interval)} "
        f"on the test side"
    )
    if subject.groups is not None:
        independent = _interval_text(test.interval(test.rows))
        text += f" if a {unit}'s {subject.noun}s stand or fall together, {independent} if they were independent"
    text += "."
    if test.groups < FEW_GROUPS:
        everything = _interval_text(everyone.interval(everyone.groups))
        text += (
            f" Under {FEW_GROUPS} {unit}s an interval is not to be leant on: small gains between strategies will not "
            f"show. Cross-validation tests all {everyone.groups:,} of '{everyone.class_name}' once: {everything}."
        )
    return text
