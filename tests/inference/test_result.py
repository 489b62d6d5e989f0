"""A run folder as an object."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import imbtk
from imbtk.errors import RunFolderError


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> imbtk.RunResult:
    generator = np.random.default_rng(0)
    y = np.arange(180) // 3 % 3 // 2
    x = np.clip(generator.normal(100 + 60 * y[:, None, None], 30, (180, 8, 8)), 0, 255).astype(np.uint8)
    out = tmp_path_factory.mktemp("runs") / "images"
    return imbtk.run((x, y, np.arange(180) // 3), epochs=2, out=str(out), quiet=True)


def test_the_figures_are_matplotlibs(images: imbtk.RunResult) -> None:
    drawn = [
        images.plot_confusion(),
        images.plot_confusion("group", "validation"),
        images.plot_sensitivity(),
        images.plot_roc(),
        images.plot_precision_recall("group"),
        images.plot_reliability(),
        images.plot_classes(),
        images.plot_learning(),
        images.plot_gallery(),
    ]
    assert all(isinstance(figure, Figure) for figure in drawn)
    assert len(set(map(id, drawn))) == len(drawn)


def test_a_table_has_no_gallery(tmp_path: Path) -> None:
    run = imbtk.run("builtin:breast-cancer", epochs=1, model="linear", out=str(tmp_path / "run"), quiet=True)
    assert isinstance(run.plot_confusion(), Figure)
    with pytest.raises(RunFolderError, match=r"has no figure 'gallery'. It has: class_distribution"):
        run.plot_gallery()


def test_the_page_is_made_from_the_folder_alone(images: imbtk.RunResult, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(images.folder, moved)
    (moved / "report.html").unlink()
    again = imbtk.RunResult(moved)
    assert again.report().read_text() == (images.folder / "report.html").read_text()
    assert again.metrics == images.metrics


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no run folder: it has no metrics\.json"):
        imbtk.RunResult(tmp_path)
