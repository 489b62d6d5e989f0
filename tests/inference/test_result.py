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
    assert all(isinstance(figure, Figure) for figure in images.figures.values())
    assert set(images.figures) <= {path.stem for path in (images.folder / "plots").glob("*.png")}


def test_methods_that_drew_one_figure_warn_for_a_release(images: imbtk.RunResult) -> None:
    for name, arguments, figure in (
        ("confusion", (), "confusion_test_per_row"),
        ("confusion", ("group", "validation"), "confusion_validation_per_group"),
        ("sensitivity", (), "sensitivity_test_per_row"),
        ("roc", (), "roc_test_per_row"),
        ("precision_recall", ("group",), "precision_recall_test_per_group"),
        ("reliability", (), "reliability_test_per_row"),
        ("classes", (), "class_distribution"),
        ("learning", (), "learning_loss"),
        ("gallery", (), "gallery"),
    ):
        with pytest.warns(FutureWarning, match=rf"plot_{name}\(\) goes .* Write \.figures\['{figure}'\]"):
            assert getattr(images, f"plot_{name}")(*arguments) is images.figures[figure]


def test_a_table_has_no_gallery(tmp_path: Path) -> None:
    run = imbtk.run("builtin:breast-cancer", epochs=1, model="linear", out=str(tmp_path / "run"), quiet=True)
    assert isinstance(run.figures["confusion_test_per_row"], Figure)
    with pytest.raises(RunFolderError, match=r"there is no figure 'gallery'. There is: class_distribution"):
        _ = run.figures["gallery"]


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
