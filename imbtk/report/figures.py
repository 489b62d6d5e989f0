"""The figures of a run's page as matplotlib objects, for notebooks and papers."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from imbtk.errors import RunFolderError, did_you_mean
from imbtk.report.curve_sections import curves_section
from imbtk.report.drawings import Drawings
from imbtk.report.result_sections import confusion_section, examples_section, learning_section, per_class_section
from imbtk.report.setup_sections import classes_section
from imbtk.runs.reading import read_run

__all__ = ["Figures", "run_figures"]


class Figures(dict[str, Figure]):
    """Figures by name; for one that is not there it says which are."""

    def __missing__(self, name: str) -> Figure:
        raise RunFolderError(f"there is no figure '{name}'.{did_you_mean(name, self)}")


class _Kept(Drawings):
    """Keeps figures as they are instead of rendering them."""

    def __init__(self) -> None:
        super().__init__()
        self.figures = Figures()

    def _drawn(self, name: str, figure: Figure, label: str) -> str:
        self.figures[name] = figure
        return ""


def run_figures(run_folder: str | Path) -> Figures:
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
