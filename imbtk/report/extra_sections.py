"""What plugins add to the page of a run: drawn once, kept in the run folder as data, and read from there.

``sections.json`` holds texts, tables and figures as SVG, so that the page can be made again, to the byte, where no
plugin is installed; and what of a plugin failed at the end of the run, when there was nothing left to refuse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imbtk.errors import RunFolderError, as_sentence
from imbtk.files import write_json
from imbtk.report.blocks import Block, Cell, Plot, Section, Table, Text
from imbtk.report.clean_svg import clean_svg
from imbtk.report.drawings import Drawings
from imbtk.report.palette import page_svg
from imbtk.runs.format import SECTIONS
from imbtk.wording import one_line, plural

__all__ = ["Additions", "ExtraSection", "extra_sections", "read_additions", "write_additions"]

_FIGURE_NAME = re.compile(r"extra_[0-9]{1,4}_[0-9]{1,4}")


@dataclass(frozen=True)
class ExtraSection:
    """A section that a plugin adds.

    Attributes
    ----------
    title : str
    content : object
        A text, a matplotlib Figure, a table as a sequence of rows, the head first; or a list of those.
    by : str
        Who adds it, for people.
    """

    title: str
    content: Any
    by: str = "a plugin"


@dataclass(frozen=True)
class Additions:
    """What ``sections.json`` holds.

    Attributes
    ----------
    sections : list of dict
        With ``title`` and ``blocks``.
    failures : list of str
        What of a plugin failed when the run was trained and evaluated, in sentences.
    """

    sections: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def write_additions(folder: Path, sections: Sequence[ExtraSection], failures: Sequence[str] = ()) -> list[str]:
    """Write what plugins add to a run folder, figures into ``plots/`` too; nothing where nothing is added.

    Parameters
    ----------
    folder : Path
    sections : sequence of ExtraSection
    failures : sequence of str
        What failed before.

    Returns
    -------
    list of str
        `failures`, and a sentence for each section that could not be drawn: it is left out.
    """
    drawings, failed = Drawings(), list(failures)
    drawn: list[dict[str, Any]] = []
    for section in sections:
        number = len(drawn) + 1
        try:
            blocks = [
                _as_data(part, f"extra_{number}_{place}", section.title, drawings)
                for place, part in enumerate(_parts(section.content), 1)
            ]
        except Exception as error:  # drawing a stranger's figure may raise anything: it is named, and the page made
            failed.append(
                f"{section.by} returned a section '{one_line(section.title)}' from imbtk_report that cannot be shown: "
                f"{as_sentence(f'{type(error).__name__}: {error}')} It is left out of the page."
            )
            continue
        drawn.append({"title": section.title, "blocks": blocks})
    if drawn or failed:
        document = {"schema_version": SECTIONS.schema, "sections": drawn, "failures": failed}
        write_json(folder / SECTIONS, document)
    if drawings.files:
        drawings.write(folder / "plots")
    return failed


def read_additions(folder: Path) -> Additions:
    """Read what plugins added to a run; nothing where there is no such file.

    The file may come from anybody: figures are rebuilt from what a drawing needs, and their names are those of files
    that imbtk writes into ``plots/``.

    Raises
    ------
    RunFolderError
        If the file is broken, or a newer imbtk wrote it.
    """
    path = Path(folder) / SECTIONS
    if not path.is_file():
        return Additions()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] > SECTIONS.schema:
            raise RunFolderError(f"{path} was made by a newer imbtk: update imbtk (pip install -U imbtk).")
        sections = [_checked(section) for section in document["sections"]]
        return Additions(sections, [str(failure) for failure in document["failures"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{path} cannot be read ({type(error).__name__}: {error}). Delete it to make the page without the sections "
            "of plugins."
        ) from None


def extra_sections(additions: Additions, drawings: Drawings) -> list[Section]:
    """Return the sections as the page shows them; their figures go among the page's own."""
    return [
        Section(
            one_line(section["title"]),
            f"extra-{number}",
            tuple(_as_block(data, section["title"], drawings) for data in section["blocks"]),
        )
        for number, section in enumerate(additions.sections, start=1)
    ]


def _checked(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section that was read, of the right types and safe to show."""
    return {"title": _text(section["title"]), "blocks": [_checked_block(block) for block in section["blocks"]]}


def _checked_block(block: Mapping[str, Any]) -> dict[str, Any]:
    kind = block["kind"]
    if kind == "figure":
        name = _text(block["name"])
        if not _FIGURE_NAME.fullmatch(name):
            raise ValueError(f"a figure is named {one_line(name)[:80]!r}, which is no name that imbtk gives one")
        try:
            return {"kind": kind, "name": name, "svg": clean_svg(_text(block["svg"]).encode()).decode()}
        except ValueError as error:
            raise ValueError(f"the figure {name} cannot be shown: {error}") from None
    if kind == "table":
        rows = [[_text(value) for value in row] for row in block["rows"]]
        if not rows:
            raise ValueError("a table has no rows")
        return {"kind": kind, "rows": rows}
    if kind == "text":
        return {"kind": kind, "text": _text(block["text"])}
    raise ValueError(f"there is no kind of block {kind!r}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected where {type(value).__name__} stands")
    return value


def _parts(content: Any) -> list[Any]:
    return content if isinstance(content, list) and not _is_table(content) else [content]


def _is_table(content: object) -> bool:
    return (
        isinstance(content, (list, tuple)) and bool(content) and all(isinstance(row, (list, tuple)) for row in content)
    )


def _as_data(part: Any, name: str, title: str, drawings: Drawings) -> dict[str, Any]:
    """Return a part of a section as JSON can hold it."""
    from matplotlib.figure import Figure

    if isinstance(part, Figure):
        drawings.add(name, part, None, one_line(title))
        drawings.files[f"{name}.svg"] = svg = clean_svg(drawings.files[f"{name}.svg"])
        return {"kind": "figure", "name": name, "svg": svg.decode("utf-8")}
    if _is_table(part):
        return {"kind": "table", "rows": [[one_line(value) for value in row] for row in part]}
    return {"kind": "text", "text": str(part)}


def _as_block(data: dict[str, Any], title: str, drawings: Drawings) -> Block:
    if data["kind"] == "figure":
        svg: bytes = data["svg"].encode("utf-8")
        drawings.files[f"{data['name']}.svg"] = svg
        return Plot(page_svg(svg, one_line(title)), one_line(title))
    if data["kind"] == "table":
        head, *rows = (tuple(Cell(value) for value in row) for row in data["rows"])
        return Table(head, tuple(rows), plural(len(rows), "row"))
    return Text(data["text"])
