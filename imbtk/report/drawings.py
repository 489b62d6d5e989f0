"""Figures on their way into a page: each as SVG inside it, and as PNG, SVG and CSV beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure

from imbtk.errors import RunFolderError
from imbtk.files import csv_text, write_atomically
from imbtk.report.blocks import Plot
from imbtk.report.palette import page_svg, render

__all__ = ["Drawings"]


class Drawings:
    """Collects the figures of one page.

    Attributes
    ----------
    files : dict of str to bytes
        File name below ``plots/`` -> content.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(
        self,
        name: str,
        figure: Figure,
        data: tuple[Sequence[str], Iterable[Sequence[object]]] | None,
        caption: str,
        *,
        title: str = "",
        width: Literal["third", "half", "wide"] = "half",
    ) -> Plot:
        """Keep a figure under `name` and return it as a block.

        Parameters
        ----------
        name : str
            File name without an ending.
        figure : Figure
        data : (header, rows), optional
            What is drawn, for the CSV.
        caption : str
            What the figure shows, in a sentence or two.
        title : str
        width : "third", "half" or "wide"
            Share of a wide page; on a phone a figure always takes the whole width.
        """
        drawn = self._drawn(name, figure, title or caption)
        if data is not None:
            self.add_table(name, *data)
        return Plot(drawn, caption, title, width)

    def _drawn(self, name: str, figure: Figure, label: str) -> str:
        """Keep a figure as files; return its SVG for the page."""
        svg, png = render(figure, name)
        self.files |= {f"{name}.svg": svg, f"{name}.png": png}
        return page_svg(svg, label)

    def add_table(self, name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Keep a table under `name` as CSV."""
        self.files[f"{name}.csv"] = csv_text(head, rows).encode("utf-8")

    def write(self, folder: Path) -> None:
        """Write all files into `folder`.

        Raises
        ------
        RunFolderError
            If the folder is a link, which may lead anywhere, or no folder.
        """
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            what = "a link" if folder.is_symlink() else "no folder"
            raise RunFolderError(f"'{folder}' is {what}, and nothing is written there. Delete it, and try again.")
        folder.mkdir(exist_ok=True)
        for name, content in self.files.items():
            if Path(name).name != name or Path(name).suffix not in (".svg", ".png", ".csv"):
                raise ValueError(f"'{name}' is no name of a file in plots")
            write_atomically(folder / name, content)
