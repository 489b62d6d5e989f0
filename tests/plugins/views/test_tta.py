"""Test-time augmentation: its looks, their mean by hand, and that whatever predicts looks alike."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits

import imbtk
from imbtk import RunContext, View
from imbtk.errors import PlanError
from imbtk.inference.predictor import Predictor
from imbtk.models.saving import load_network
from imbtk_plugins.views.tta import TTA

IMAGE = torch.arange(9.0).reshape(1, 1, 3, 3)


def context(domain: str = "photo", shape: tuple[int, ...] = (3, 8, 8), kind: str = "images") -> RunContext:
    counts = torch.tensor([3, 1])
    labels = torch.tensor([0, 0, 0, 1])
    return RunContext(("a", "b"), counts, counts, labels, kind=kind, sample_shape=shape, domain=domain)


def test_a_view_mirrors_then_turns_to_the_left() -> None:
    for mirror in (False, True):
        for turns in range(4):
            expected = np.rot90(np.fliplr(IMAGE[0, 0]) if mirror else IMAGE[0, 0], turns)
            view = View(mirror, turns)
            assert np.array_equal(view.of(IMAGE)[0, 0], expected)
            assert View.from_json(json.loads(json.dumps(view.to_json()))) == view


def by_hand(image: np.ndarray) -> dict[str, list[np.ndarray]]:
    mirrored = [image, np.fliplr(image)]
    flips = [*mirrored, np.flipud(image), np.flipud(np.fliplr(image))]
    return {"mirrored": mirrored, "flips": flips, "all": [*flips, *(np.rot90(seen) for seen in flips)]}


@pytest.mark.parametrize(
    ("looks", "domain", "shape", "expected"),
    [
        ("auto", "histology", (3, 8, 8), "all"),
        ("auto", "photo", (3, 8, 8), "mirrored"),
        ("mirrored", "digits", (1, 8, 8), "mirrored"),
        ("flips", "digits", (1, 8, 8), "flips"),
        ("all", "photo", (3, 8, 6), "flips"),
        ("all", "photo", (3, 8, 8), "all"),
    ],
)
def test_looks_are_those_that_numpy_makes(looks: str, domain: str, shape: tuple[int, ...], expected: str) -> None:
    views = TTA(looks=looks).imbtk_views(context(domain, shape))
    seen = [tuple(view.of(IMAGE).flatten().tolist()) for view in views]
    assert sorted(seen) == sorted(tuple(look.ravel().tolist()) for look in by_hand(IMAGE[0, 0].numpy())[expected])


@pytest.mark.parametrize(("domain", "kind"), [("digits", "images"), ("table", "table")])
def test_refused_where_looks_mean_nothing(domain: str, kind: str) -> None:
    with pytest.raises(PlanError, match="'tta' mirrors"):
        TTA().imbtk_views(context(domain, kind=kind))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("runs"), {}
    options = {"epochs": 1, "model": "small-cnn", "quiet": True, "device": "cpu", "precision": "fp32"}
    for name, plan in (("plain", []), ("seen", ["tta:looks=all"])):
        made[name] = imbtk.run("builtin:digits", plan, out=str(folder / name), **options)
    return made


def test_the_prediction_is_the_mean_of_logits_by_hand(runs) -> None:
    plain, _ = load_network(runs["plain"].folder / "model")
    seen, description = load_network(runs["seen"].folder / "model")
    x = torch.randn(5, *plain.sample_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        by_hand = sum(plain(torch.rot90(m, k, (2, 3))) for m in (x, x.flip(3)) for k in range(4)) / 8
        assert torch.equal(seen(x, outputs=True).logits, plain(x))  # trained alike to the bit
        torch.testing.assert_close(seen(x), by_hand)
    assert len(description["views"]) == 8
    assert description["schema_version"] == 2


def test_a_run_without_views_says_nothing_of_them(runs) -> None:
    model = json.loads((runs["plain"].folder / "model" / "model.json").read_text())
    assert "views" not in model
    assert model["schema_version"] == 1
    assert "looks at each image" not in (runs["plain"].folder / "plan.json").read_text()
    assert "8 looks at each image" in (runs["seen"].folder / "plan.json").read_text()


def test_the_saved_model_says_without_plugins_what_the_run_wrote(runs, monkeypatch) -> None:
    monkeypatch.setenv("IMBTK_PLUGINS", "")
    result = runs["seen"]
    predictor = Predictor.load(result.folder)
    assert len(predictor.network.views) == 8
    written = pd.read_csv(result.folder / "predictions.csv")
    images = (load_digits().images * 255 / 16).round().astype(np.uint8)[:, None]
    probabilities = predictor.predict_proba(images[written["row"]])
    assert np.abs(probabilities - written.filter(like="p:").to_numpy()).max() < 1e-5
