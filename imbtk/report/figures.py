"""The figures of a run's page as matplotlib objects, for notebooks and papers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure

from imbtk.report.blocks import Plot
from imbtk.report.curve_sections import curves_section
from imbtk.report.drawings import Drawings
from imbtk.report.result_sections import confusion_section, examples_section, learning_section, per_class_section
from imbtk.report.setup_sections import classes_section
from imbtk.runs.reading import read_run

__all__ = ["run_figures"]


class _Kept(Drawings):
    """Keeps figures as they are instead of rendering them."""

    def __init__(self) -> None:
        super().__init__()
        self.figures: dict[str, Figure] = {}

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
        """Keep a figure under `name`."""
        self.figures[name] = figure
        return Plot("", caption, title, width)


def run_figures(run_folder: str | Path) -> dict[str, Figure]:
    """Return the figures of a run by the names that their files have under ``plots/``.

    Parameters
    ----------
    run_folder : path

    Raises
    ------
    RunFolderError
        If the folder is incomplete or broken, or a newer imbtk wrote it.
    """
    record, kept = read_run(Path(run_folder)), _Kept()
    for section in (
        classes_section,
        learning_section,
        per_class_section,
        confusion_section,
        curves_section,
        examples_section,
    ):
        section(record, kept)
    return kept.figures
