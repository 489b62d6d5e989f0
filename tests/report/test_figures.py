"""The figures of a run's page as objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from imbtk.errors import RunFolderError
from imbtk.report.figures import run_figures


def test_the_figures_are_matplotlibs(pages: dict[str, Path]) -> None:
    figures = run_figures(pages["patients"])
    assert all(isinstance(figure, Figure) for figure in figures.values())
    assert {"gallery", "confusion_test_per_group"} < set(figures)
    assert set(figures) <= {path.stem for path in (pages["patients"] / "plots").glob("*.png")}


def test_a_table_has_no_gallery(make_run: Callable[..., Path]) -> None:
    figures = run_figures(make_run(rows=100, images=False))
    assert isinstance(figures["confusion_test_per_row"], Figure)
    with pytest.raises(RunFolderError, match=r"there is no figure 'gallery'. There is: class_distribution"):
        _ = figures["gallery"]
    with pytest.raises(RunFolderError, match=r"there is no figure 'learning_los'. Did you mean 'learning_loss'"):
        _ = figures["learning_los"]
