"""Docstrings in numpydoc form, read for people: sections, and blocks of text within them."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["DocBlock", "Docstring", "Entry", "parse_blocks", "parse_docstring", "parse_entries"]


@dataclass(frozen=True)
class Docstring:
    """A docstring in parts.

    Attributes
    ----------
    summary : str
        Its first paragraph, on one line.
    extended : str
        What follows before the first section.
    sections : dict of str to str
        Text of each section by its title: ``"Parameters"``, ``"Notes"``, ``"References"``.
    """

    summary: str
    extended: str
    sections: dict[str, str]


@dataclass(frozen=True)
class DocBlock:
    """A piece of text that is laid out as one.

    Attributes
    ----------
    kind : "paragraph", "item", "formula" or "table"
        An item is one of a list; a formula keeps its lines.
    text : str
        Of all but tables.
    rows : tuple of tuple of str
        Of a table, the header first.
    """

    kind: Literal["paragraph", "item", "formula", "table"]
    text: str
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Entry:
    """One line of a section such as Parameters: ``name : type`` and what it says."""

    name: str
    type: str
    description: str


def parse_docstring(text: str | None) -> Docstring:
    """Cut a docstring into summary, extended summary and sections."""
    lines = inspect.cleandoc(text or "").split("\n")
    heads = [i for i, line in enumerate(lines[:-1]) if line.strip() and re.fullmatch(r"-{3,}", lines[i + 1].strip())]
    bounds = [*heads, len(lines)]
    first = "\n".join(lines[: bounds[0]]).strip()
    summary, _, extended = first.partition("\n\n")
    sections = {
        lines[start].strip(): "\n".join(lines[start + 2 : stop]).strip("\n")
        for start, stop in zip(heads, bounds[1:], strict=True)
    }
    return Docstring(" ".join(summary.split()), extended.strip(), sections)


def parse_entries(section: str) -> list[Entry]:
    """Read a section whose lines are ``name : type``, each with an indented description."""
    entries: list[Entry] = []
    for line in section.split("\n"):
        if line and not line[0].isspace():
            name, _, type_name = line.partition(" : ")
            entries.append(Entry(name.strip(), type_name.strip(), ""))
        elif line.strip() and entries:
            last = entries[-1]
            entries[-1] = Entry(last.name, last.type, f"{last.description} {line.strip()}".strip())
    return entries


def parse_blocks(text: str) -> list[DocBlock]:
    """Cut text into paragraphs, items of lists, formulas (indented) and tables (between lines of ``===``).

    Terms with indented explanations become items as well.
    """
    blocks: list[DocBlock] = []
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        if not part.strip():
            continue
        lines = part.split("\n")
        if lines[0].startswith("==="):
            blocks.append(DocBlock("table", "", _table(lines)))
        elif all(line.startswith("    ") for line in lines if line.strip()):
            blocks.append(DocBlock("formula", textwrap.dedent(part)))
        elif len(lines) > 1 and lines[1].startswith("    ") and not lines[0].startswith((" ", "- ")):
            blocks.extend(DocBlock("item", f"{e.name}: {e.description}") for e in parse_entries(part))
        else:
            blocks.extend(_prose(lines))
    return blocks


def _prose(lines: list[str]) -> Iterator[DocBlock]:
    """Yield a paragraph, or the items of a list and the paragraph before it."""
    kind: Literal["paragraph", "item"] = "paragraph"
    gathered: list[str] = []
    for line in lines:
        if line.startswith("- "):
            if gathered:
                yield DocBlock(kind, " ".join(gathered))
            kind, gathered = "item", [line[2:].strip()]
        elif line.strip():
            gathered.append(line.strip())
    if gathered:
        yield DocBlock(kind, " ".join(gathered))


def _table(lines: list[str]) -> tuple[tuple[str, ...], ...]:
    """Read a simple table; a line whose first cell is empty goes on with the row above."""
    spans = [match.span() for match in re.finditer(r"=+", lines[0])]
    spans[-1] = (spans[-1][0], max(map(len, lines)))
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith("==="):
            continue
        cells = [line[start:stop].strip() for start, stop in spans]
        if not cells[0] and rows:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    return tuple(map(tuple, rows))
