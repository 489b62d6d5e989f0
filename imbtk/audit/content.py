"""What the data are taken for, what reading them did to them, and columns of a table that say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from imbtk.audit.findings import Cell, Finding, FindingTable, Level, first_rows
from imbtk.audit.subject import AuditedData
from imbtk.data.column_words import column_words
from imbtk.wording import join_words, per_cent, plural

__all__ = ["column_findings", "domain_findings", "reading_findings"]

MUCH_MISSING = 0.2

_CONSEQUENCE = {
    "digits": "augmentation that goes by that does not mirror them",
    "photo": "augmentation that goes by that mirrors them left to right",
    "histology": "augmentation that goes by that turns them by quarters and mirrors them both ways",
}


def domain_findings(subject: AuditedData) -> list[Finding]:
    """Return the finding on what images are taken to show, none for tables."""
    domain = subject.dataset.domain
    if domain not in _CONSEQUENCE:
        return []
    shown = "photos" if domain == "photo" else domain
    text = f"By what they are called, the images show {shown}: {_CONSEQUENCE[domain]}. If that is wrong, say --domain."
    return [Finding("domain", f"Taken for {shown}", "ok", text)]


def reading_findings(subject: AuditedData) -> list[Finding]:
    """Return what reading the data did to them, but for identical images, which have a finding of their own."""
    notes = [note for note in subject.dataset.notes if "identical to another" not in note]
    return [Finding("reading", "What reading them did", "note", " ".join(notes))] if notes else []


def column_findings(subject: AuditedData) -> list[Finding]:
    """Return the findings on how columns of a table were taken, and on missing and constant ones; none for images."""
    if subject.dataset.kind != "table":
        return []
    preprocessing = subject.dataset.preprocessing
    words = column_words(preprocessing)
    return [*([_taken(preprocessing, words)] if words else []), _missing(subject)]


def _taken(preprocessing: Mapping[str, Any], words: Sequence[tuple[str, str]]) -> Finding:
    types = Counter(column["type"] for column in preprocessing["columns"])
    kinds = {"number": "numbers", "text": "categories", "date": "dates"}
    told = [f"{types[kind]:,} of {what}" for kind, what in kinds.items() if types[kind]]
    left_out = len(preprocessing.get("left_out", ()))
    text = f"Columns: {join_words(told)}{f'; {left_out:,} left out' if left_out else ''}."
    return Finding("taken", "How columns are taken", "ok", text, FindingTable(("column", "taken as"), tuple(words)))


def _missing(subject: AuditedData) -> Finding:
    dataset = subject.dataset
    x = dataset.x
    missing = torch.isnan(x).float().mean(dim=0)
    seen = torch.nan_to_num(x, nan=float("-inf")).amax(dim=0) != torch.nan_to_num(x, nan=float("inf")).amin(dim=0)
    rows: list[tuple[Cell, ...]] = []
    for column, name in enumerate(dataset.feature_names):
        share = float(missing[column])
        if share > 0 or not seen[column]:
            rows.append((name, per_cent(share), "no" if seen[column] else "yes"))
    gaps = int((missing > 0).sum())
    constant = int((~seen).sum())
    if not rows:
        return Finding("columns", "No value is missing", "ok", "Every feature is complete and varies.")
    text = f"{plural(gaps, 'feature')} with missing values, {plural(constant, 'feature')} that never vary."
    many = int((missing > MUCH_MISSING).sum())
    if gaps:
        text += " A missing value is replaced by the mean of the training rows."
    if many:
        text += (
            f" More than {MUCH_MISSING:.0%} are missing in {many:,} of them: if whether a value was taken depends on "
            "the class, the model learns that."
        )
    level: Level = "warning" if many else "note"
    columns = ("feature", "missing", "constant")
    title = "Missing values" if gaps else "Features that never vary"
    return Finding("columns", title, level, text, first_rows(rows, columns))
