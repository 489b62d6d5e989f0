"""A run folder as an object."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import imbtk
from imbtk.errors import RunFolderError


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> imbtk.RunResult:
    generator = np.random.default_rng(0)
    y = np.arange(180) // 3 % 3 // 2
    x = np.clip(generator.normal(100 + 60 * y[:, None, None], 30, (180, 8, 8)), 0, 255).astype(np.uint8)
    out = tmp_path_factory.mktemp("runs") / "images"
    return imbtk.run((x, y, np.arange(180) // 3), epochs=2, out=str(out), quiet=True)


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
