"""The levels of ``metrics.json``: which side, per row or per group, and which class the headline is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imbtk.evaluation.groups import per_group
from imbtk.evaluation.metrics import Missing, Predictions
from imbtk.report.palette import class_colours
from imbtk.runs.reading import RunRecord, SideRows

__all__ = ["Level", "headline_class", "levels_of", "main_side"]


@dataclass(frozen=True)
class Level:
    """One side of the split, seen per row or per group.

    Attributes
    ----------
    side : str
        ``"test"`` or ``"validation"``.
    unit : str
        What a row, or a group, is called: ``"image"``, ``"row"``, ``"patient"``, ``"group"``.
    metrics : mapping
        The level's object in ``metrics.json``.
    predictions : Predictions, optional
        What the metrics are made from.
    """

    side: str
    unit: str
    metrics: Mapping[str, Any]
    predictions: Predictions | None

    @property
    def slug(self) -> str:
        """The level in file names: ``"test_per_group"``."""
        return f"{self.side}_per_{self.metrics['unit']}"

    @property
    def words(self) -> str:
        """The level in words: ``"test, per patient"``."""
        return f"{self.side}, per {self.unit}"


def levels_of(record: RunRecord, side: str) -> list[Level]:
    """Return the levels of a side that could be computed: per row first, then per group."""
    if side not in record.shared:
        record.shared[side] = _levels(record, side)
    return list(record.shared[side])


def _levels(record: RunRecord, side: str) -> list[Level]:
    parts = record.metrics.get(side)
    if parts is None:
        return []
    rows = record.predictions.get(side)
    found = []
    for key, unit in (("per_row", record.noun), ("per_group", record.group_noun)):
        level = parts.get(key)
        if level is not None and "confusion_matrix" in level and level["n"] > 0:
            units = None if rows is None else _units(record, rows, key == "per_group")
            found.append(Level(side, unit, level, units))
    return found


def main_side(record: RunRecord) -> str:
    """Return the side that the headline is about: test, or validation where there are no test rows."""
    return "test" if levels_of(record, "test") else "validation"


def headline_class(record: RunRecord) -> int | None:
    """Return the class that the headline is about: the positive one, else the rare one, else none."""
    if record.positive is not None:
        return record.positive
    return class_colours(record.train_counts, record.num_classes)[1]


def _units(record: RunRecord, rows: SideRows, grouped: bool) -> Predictions | None:
    """Return what the curves of a level are drawn from: the rows, or the mean probability of each group."""
    names, positive = record.class_names, record.positive
    predictions = Predictions(rows.truth, rows.predicted, rows.probabilities, names, rows.group_numbers, positive)
    if not grouped:
        return predictions
    groups = per_group(predictions, truth=rows.group_truth)
    return None if isinstance(groups, Missing) else groups
