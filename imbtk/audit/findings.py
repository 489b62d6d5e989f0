"""What an audit says: one finding for each question that was asked of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["MOST_ROWS", "Audit", "Cell", "Finding", "FindingTable", "Level"]

SCHEMA_VERSION = 1

MOST_ROWS = 50
"""Rows of a finding's table: its text says how many there are."""

Level = Literal["ok", "note", "warning", "error"]
"""``error``: results on these data would be a lie, or there would be none."""

Cell = str | int | float | None


@dataclass(frozen=True)
class FindingTable:
    """Columns and rows that belong to a finding."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"columns": list(self.columns), "rows": [list(row) for row in self.rows]}


@dataclass(frozen=True)
class Finding:
    """One answer.

    Attributes
    ----------
    name : str
        The question, the same for every data set: ``"near-identical"``.
    title : str
        The answer in a few words.
    level : "ok", "note", "warning" or "error"
    text : str
        The answer in sentences: what was found, what it means, what to do.
    table : FindingTable, optional
    """

    name: str
    title: str
    level: Level
    text: str
    table: FindingTable | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, in the form that the page reads."""
        return {
            "name": self.name,
            "title": self.title,
            "level": self.level,
            "text": self.text,
            "table": None if self.table is None else self.table.to_json(),
        }


@dataclass(frozen=True)
class Audit:
    """What ``imbtk check`` found.

    Attributes
    ----------
    data : str
        What the data are called.
    facts : mapping
        Counts for programs: kind, rows, rows of each class, groups.
    findings : tuple of Finding
    """

    data: str
    facts: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether something would make a result a lie: any finding of level ``error``."""
        return any(finding.level == "error" for finding in self.findings)

    def named(self, name: str) -> Finding:
        """Return the finding of a name.

        Raises
        ------
        KeyError
            If the audit has none.
        """
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Return plain values: what ``imbtk check --json`` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "data": self.data,
            **self.facts,
            "failed": self.failed,
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        from imbtk.audit.rendering import audit_text

        return audit_text(self)

    def _repr_html_(self) -> str:
        from imbtk.audit.rendering import audit_html

        return audit_html(self)


def first_rows(rows: Sequence[tuple[Cell, ...]], columns: Sequence[str]) -> FindingTable | None:
    """Return a table of the first rows, None if there is none; the text of a finding says how many there are."""
    return FindingTable(tuple(columns), tuple(rows[:MOST_ROWS])) if rows else None
