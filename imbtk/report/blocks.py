"""What a page is made of: a few kinds of blocks, each with one look in the template.

A run's page and a comparison's page are lists of sections; a section is a list of these blocks. All text is plain and
escaped by the template; only the SVG of a :class:`Plot`, which imbtk draws itself or rebuilds, goes in as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from imbtk.wording import one_line, shorten

__all__ = [
    "Banner",
    "Block",
    "Cell",
    "Details",
    "Facts",
    "Level",
    "Picture",
    "PictureRow",
    "Pictures",
    "Plot",
    "Section",
    "Table",
    "Text",
    "Tile",
    "Tiles",
    "name_cell",
]

Level = Literal["ok", "note", "warning", "error"]
"""How much a banner matters."""


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` "quiet" is small print."""

    kind: ClassVar[str] = "text"
    text: str
    tone: Literal["plain", "quiet"] = "plain"


@dataclass(frozen=True)
class Banner:
    """A sentence that must be seen, with its level and an optional title."""

    kind: ClassVar[str] = "banner"
    text: str
    level: Level = "note"
    title: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text : str
    title : str
        The full text, in a tooltip.
    look : "text", "number", "name", "code" or "verdict"
    rare : bool
        Marked in the rare class's colour.
    sub : str
        A second, quieter line: an interval.
    share : float, optional
        In [0, 1]: the cell is shaded by it.
    """

    text: str
    title: str = ""
    look: Literal["text", "number", "name", "code", "verdict"] = "text"
    rare: bool = False
    sub: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Table:
    """A table; the first column stays in sight when the rest scrolls."""

    kind: ClassVar[str] = "table"
    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    @property
    def long(self) -> bool:
        """Whether it gets a scrolling window on a screen."""
        return len(self.rows) > 25


@dataclass(frozen=True)
class Plot:
    """A figure with its caption: the SVG as text, already safe; `width` is its share of a wide page."""

    kind: ClassVar[str] = "plot"
    svg: str
    caption: str
    title: str = ""
    width: Literal["third", "half", "wide"] = "half"


@dataclass(frozen=True)
class Picture:
    """An image as a data URI with the line below it."""

    source: str
    caption: str = ""
    title: str = ""
    pixelated: bool = False


@dataclass(frozen=True)
class PictureRow:
    """Images that belong together, under a name; a quiet one is a second line of the row above."""

    name: str
    pictures: tuple[Picture, ...]
    title: str = ""
    rare: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Pictures:
    """Rows of images."""

    kind: ClassVar[str] = "pictures"
    rows: tuple[PictureRow, ...]
    caption: str = ""


@dataclass(frozen=True)
class Facts:
    """Pairs of a name and a value."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tile:
    """A headline figure: what it is, the value, its interval, and what it rests on."""

    label: str
    value: str
    lines: tuple[str, ...] = ()
    title: str = ""
    rare: bool = False


@dataclass(frozen=True)
class Tiles:
    """Headline figures side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Details:
    """Blocks behind a heading that opens on a click, and are open in print."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: tuple[Block, ...]


Block = Text | Banner | Table | Plot | Pictures | Facts | Tiles | Details


@dataclass(frozen=True)
class Section:
    """A heading with blocks under it; `anchor` is its address in the page."""

    title: str
    anchor: str
    blocks: tuple[Block, ...] = field(default_factory=tuple)


def name_cell(name: str, width: int = 28, rare: bool = False) -> Cell:
    """Return a cell with a name, shortened, and the full name in its tooltip."""
    shown = shorten(name, width)
    return Cell(shown, "" if shown == name else one_line(name), "name", rare)
