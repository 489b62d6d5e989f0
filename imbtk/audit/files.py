"""Image files: formats, sizes, broken ones, and whether format or size gives the class away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from imbtk.audit.findings import Cell, Finding, FindingTable, Level, first_rows
from imbtk.audit.subject import AuditedData
from imbtk.data.decode import reason_of
from imbtk.data.store import on_all_cores
from imbtk.wording import plural

__all__ = ["broken_finding", "broken_findings", "file_findings", "giveaway"]

MOST_VALUES = 20
"""A property of more different values than this is no giveaway: sizes of photos, say."""


def broken_findings(subject: AuditedData) -> list[Finding]:
    """Return the finding on files that cannot be read, none where there are no files."""
    broken = subject.faults.broken
    if not broken and _paths(subject) is None:
        return []
    if not broken:
        return [Finding("broken", "No broken file", "ok", "Every file was read to its end.")]
    return [broken_finding(broken)]


def broken_finding(broken: Mapping[str, str]) -> Finding:
    """Return the finding on files that cannot be read, all of them named, with the reasons."""
    text = (
        f"{plural(len(broken), 'file')} cannot be read and {'is' if len(broken) == 1 else 'are'} left out of all that "
        "follows. imbtk run refuses these data: replace the files or take them out. Whether files broke by chance, or "
        "in one class more than in another, is worth a look."
    )
    rows: list[tuple[Cell, ...]] = list(broken.items())
    title = f"{plural(len(broken), 'file')} cannot be read"
    return Finding("broken", title, "error", text, FindingTable(("file", "reason"), tuple(rows)))


def file_findings(subject: AuditedData) -> list[Finding]:
    """Return the finding on formats and sizes; of arrays and tables, on their shape."""
    dataset = subject.dataset
    shape = "×".join(map(str, dataset.sample_shape[1:]))
    colour = "in grey" if dataset.sample_shape[0] == 1 else "in colour"
    if dataset.kind == "table":
        text = f"A table of {plural(len(dataset), 'row')} and {plural(dataset.sample_shape[0], 'feature')}."
        return [Finding("files", "A table", "ok", text)]
    paths = _paths(subject)
    stored = f"Stored at {shape} pixels, {colour}, for training ({dataset.preprocessing.get('resize', 'as given')})."
    if paths is None:
        return [Finding("files", f"{plural(len(dataset), 'image')} in arrays", "ok", stored)]
    if not subject.thorough:
        formats = [path.suffix.casefold().lstrip(".") for path in paths]
        return [_finding(subject, {"format": formats}, stored)]
    heads = on_all_cores(lambda row: _head(paths[row]), len(paths), subject.progress, "reading file headers")
    properties = {name: [head[place] for head in heads] for place, name in enumerate(("format", "size", "colours"))}
    return [_finding(subject, properties, stored)]


def _paths(subject: AuditedData) -> list[Path] | None:
    """Return the files of all rows, None where rows are no files that are at hand."""
    description = subject.dataset.description
    if description.get("source") not in ("folder", "manifest") or "path" not in description:
        return None
    location = Path(str(description["path"]))
    folder = location if description["source"] == "folder" else location.parent
    return [folder / name for name in subject.dataset.row_names]


def _head(path: Path) -> tuple[str, str, str]:
    """Return format, size and mode of a file, the reason instead if it has gone since it was read."""
    try:
        with Image.open(path) as image:
            return image.format or "unknown", f"{image.width}×{image.height}", image.mode
    except OSError as error:
        return (reason_of(error), "", "")


def _finding(subject: AuditedData, properties: dict[str, list[str]], stored: str) -> Finding:
    counted = {name: Counter(values).most_common() for name, values in properties.items()}
    text = f"{plural(len(subject.dataset), 'file')}. {stored}"
    level: Level = "ok"
    for name, values in properties.items():
        gain = giveaway(values, subject.labels)
        if gain is not None and gain >= 0.5:
            level = "warning"
            text += (
                f" The {name} of the file alone nearly gives the class away: a network learns that, and fails where "
                "files are made otherwise. Bring all files into one form, from the same originals."
            )
    text += _small(properties.get("size", ()))
    rows: list[tuple[Cell, ...]] = []
    for name, found in counted.items():
        rows += [(name, value, count) for value, count in found[:8]]
        if len(found) > 8:
            rows.append((name, f"{len(found) - 8:,} others", sum(count for _, count in found[8:])))
    commonest = ", ".join(
        found[0][0] + (f" and {len(found) - 1:,} more" if found[1:] else "") for found in counted.values()
    )
    return Finding("files", f"Files: {commonest}", level, text, first_rows(rows, ("property", "value", "files")))


def _small(sizes: Sequence[str]) -> str:
    """Return a sentence on images of which a side is less than half as long as is usual, empty if there are none."""
    sides = sorted(min(map(int, size.split("×"))) for size in sizes if size)
    small = [side for side in sides if 2 * side < sides[len(sides) // 2]]
    if not small:
        return ""
    return f" {plural(len(small), 'image')} much smaller than the others (down to {small[0]} pixels): mostly border."


def giveaway(values: Sequence[str], labels: np.ndarray) -> float | None:
    """Return how well a property tells the classes apart: 0 for chance, 1 for without error; None if it cannot be said.

    That is the balanced accuracy of the best rule that sees the property alone, scaled. A property with one value, or
    with more than 20, says nothing.
    """
    number, inverse = np.unique(np.asarray(values), return_inverse=True)
    classes = int(labels.max()) + 1
    if not 1 < len(number) <= MOST_VALUES or classes < 2:
        return None
    table = np.zeros((len(number), classes))
    np.add.at(table, (inverse, labels), 1)
    present = table.sum(axis=0) > 0
    shares = table[:, present] / table[:, present].sum(axis=0)
    accuracy = float(shares.max(axis=1).sum()) / int(present.sum())
    chance = 1 / int(present.sum())
    return (accuracy - chance) / (1 - chance)
