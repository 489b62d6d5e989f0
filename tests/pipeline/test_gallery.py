"""Images for the page: originals, the same augmented, and mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imbtk import Strategy, hookimpl
from imbtk.pipeline import gallery
from imbtk.pipeline.gallery import make_gallery
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training.batches import Batches


class Invert(Strategy):
    """Invert images."""

    @hookimpl
    def imbtk_augment(self, augment: object) -> object:
        return lambda images, target, draw: 1 - images


def prepared(classes: int, side: int, *strategies: Strategy, rows: int = 90) -> PreparedRun:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (rows, 3, side, side), dtype=np.uint8)
    config = make_config({"epochs": 1, "image_size": side, "model": "linear"})
    return prepare(config, (x, np.arange(rows) % classes), list(strategies))


def made(run: PreparedRun, path: Path, wrong: int = 0) -> dict[str, np.ndarray]:
    """Return the gallery of a run whose first test rows are decided wrongly, the later the surer."""
    truth = run.data.dataset.labels[run.data.split.test].numpy()
    classes = run.data.dataset.num_classes
    predicted = truth.copy()
    predicted[:wrong] = (truth[:wrong] + 1) % classes
    p = np.zeros((len(truth), classes))
    p[np.arange(len(truth)), predicted] = np.linspace(0.5, 0.9, len(truth))
    make_gallery(path, run, Batches(run.data.dataset, run.data.normalisation, torch.device("cpu")), predicted, p)
    with np.load(path) as found:
        return dict(found)


def test_originals_and_what_the_plan_makes_of_them_stand_side_by_side(tmp_path: Path) -> None:
    run = prepared(3, 8, Invert())
    found = made(run, tmp_path / "gallery.npz")
    assert found["classes"].tolist() == [0, 1, 2]
    assert found["originals"].shape == found["augmented"].shape == (3, 4, 8, 8, 3)
    assert found["originals"].dtype == np.uint8
    assert (found["augmented"] == 255 - found["originals"]).all()
    # Training images of that class, as they are.
    x, labels = run.data.dataset.x.permute(0, 2, 3, 1).numpy(), run.data.dataset.labels.numpy()
    train = set(run.data.split.train.tolist())
    for k in range(3):
        for image in found["originals"][k]:
            (row,) = np.flatnonzero((x == image).all((1, 2, 3)))
            assert labels[row] == k
            assert row in train
    plain = made(prepared(3, 8), tmp_path / "plain.npz")
    assert (plain["augmented"] == plain["originals"]).all()


def test_mistakes_are_the_surest_of_the_decision(tmp_path: Path) -> None:
    run = prepared(3, 8)
    found = made(run, tmp_path / "gallery.npz", wrong=15)
    test = run.data.split.test
    assert found["mistake_rows"].tolist() == test[:15].flip(0)[:12].tolist()
    pictures = run.data.dataset.x.permute(0, 2, 3, 1).numpy()
    assert (found["mistakes"] == pictures[found["mistake_rows"]]).all()
    nothing = made(run, tmp_path / "right.npz")
    assert (len(nothing["mistakes"]), len(nothing["mistake_rows"])) == (0, 0)


def test_of_many_classes_the_rarest_are_shown_and_large_images_are_made_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "MOST_CLASSES", 2)
    monkeypatch.setattr(gallery, "LARGEST", 4)
    run = prepared(3, 8)
    counts = run.plan.context.natural_counts
    found = made(run, tmp_path / "gallery.npz", wrong=1)
    assert found["classes"].tolist() == sorted(torch.argsort(counts, stable=True)[:2].tolist())
    assert found["originals"].shape == (2, 4, 4, 4, 3)
    assert found["mistakes"].shape == (1, 4, 4, 3)


def test_a_table_has_none(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    run = prepare(make_config({"epochs": 1, "model": "linear"}), (x, y))
    batches = Batches(run.data.dataset, run.data.normalisation, torch.device("cpu"))
    make_gallery(tmp_path / "gallery.npz", run, batches, np.zeros(8, int), np.full((8, 2), 0.5))
    assert list(tmp_path.iterdir()) == []
