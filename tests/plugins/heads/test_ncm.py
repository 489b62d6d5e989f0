"""Nearest class mean beside scikit-learn, its laws, and runs of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plugins.begun import check_predictions, clusters, train
from plugins.resumed import resumed_equals_uninterrupted
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize
from torch import nn

import imbtk
from imbtk import Network, RunContext
from imbtk.authoring.records import TrainingRows
from imbtk.errors import PlanError
from imbtk.models.heads import LinearHead
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk_plugins.heads.ncm import NCM

RNG = np.random.default_rng(4)
LABELS = np.repeat([0, 1, 2], [120, 30, 8])
FEATURES = np.abs(RNG.normal(size=(158, 5)) + 1.5 * RNG.normal(size=(3, 5))[LABELS])
ELSEWHERE = np.abs(RNG.normal(size=(400, 5)))


def rows(features: Any, labels: Any) -> TrainingRows:
    features, labels = torch.as_tensor(features), torch.as_tensor(labels)
    return TrainingRows(torch.arange(len(labels)), labels, None, None, lambda: [features], lambda _: features)


def finished(features: Any = FEATURES, labels: Any = LABELS, classes: int = 3, **options: Any) -> Network:
    network = Network(nn.Identity(), LinearHead(features.shape[1], classes), (features.shape[1],))
    counts = torch.as_tensor(labels).bincount(minlength=classes)
    context = RunContext(tuple("abcdef"[:classes]), counts, counts, torch.as_tensor(labels))
    NCM(**options).imbtk_finish(network, rows(features, labels), context)
    return network


def test_logits_are_scikit_learns_cosines_and_decisions_its_nearest_centroids() -> None:
    logits = finished(scale=12.0).double()(torch.tensor(ELSEWHERE)).detach().numpy()
    centroids = NearestCentroid().fit(normalize(FEATURES), LABELS).centroids_
    np.testing.assert_allclose(logits, 12 * cosine_similarity(ELSEWHERE, centroids), atol=2e-6)
    distances = euclidean_distances(normalize(ELSEWHERE), normalize(centroids))
    assert logits.argmax(1).tolist() == distances.argmin(1).tolist()
    assert len(set(logits.argmax(1))) == 3


def test_permuted_classes_repeated_rows_and_longer_features_change_nothing() -> None:
    weight = finished().head.weight.detach()
    turn = np.array([2, 0, 1])
    torch.testing.assert_close(finished(labels=turn[LABELS]).head.weight.detach()[turn], weight)
    frequent = np.concatenate([np.arange(158), np.repeat(np.arange(120), 9)])
    torch.testing.assert_close(finished(FEATURES[frequent], LABELS[frequent]).head.weight.detach(), weight)
    longer = FEATURES * RNG.uniform(0.1, 90, size=(158, 1))
    torch.testing.assert_close(finished(longer).head.weight.detach(), weight)


def test_features_of_length_0_and_huge_ones_stay_finite() -> None:
    head = finished().head
    for x in (torch.zeros(1, 5), torch.full((1, 5), 1e18)):
        assert bool(head(x).isfinite().all())
    zero = finished(np.zeros((4, 2), dtype=np.float32), [0, 0, 1, 1], classes=2)
    assert zero.head(torch.ones(1, 2)).tolist() == [[0.0, 0.0]]


def test_a_class_without_training_rows_is_refused_by_name() -> None:
    counts = torch.tensor([5, 0, 3])
    with pytest.raises(PlanError, match="no training row is of 'b': split in another way"):
        NCM().check_run(RunContext(("a", "b", "c"), counts, counts, torch.empty(0)))


def test_its_means_are_of_training_rows_alone_and_training_is_left_alone() -> None:
    x, y = clusters()
    plain, ncm = train((x, y), []), train((x, y), ["ncm"])
    assert [r["train_loss"] for r in plain.history] == [r["train_loss"] for r in ncm.history]
    assert [r["finished"] for r in ncm.history] == [0, 0, 0, 1]
    options = {"model": "mlp", "epochs": 4, "seed": 1, "device": "cpu", "precision": "fp32", "batch_size": 32}
    prepared = prepare(make_config(options), (x, y), ["ncm"])
    train_rows = prepared.data.split.train
    assert len(train_rows) < len(y)
    inputs = prepared.data.normalisation.inputs(torch.as_tensor(x[train_rows]))
    with torch.no_grad():
        features = plain.network.eval().features(inputs).double().numpy()
    expected = [normalize(features)[y[train_rows] == label].mean(0) for label in range(3)]
    np.testing.assert_allclose(ncm.network.head.weight.detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("plan", "options"),
    [(["ncm"], {"early_stop": "log_loss"}), (["ride", "ncm"], {}), (["bbn@0-70%", "ncm@0-70%"], {"model": "linear"})],
)
def test_it_is_resumed_to_the_bit(plan: Any, options: Any) -> None:
    assert resumed_equals_uninterrupted(plan, **options)


def test_a_run_is_loaded_without_plugins(tmp_path: Any, monkeypatch: Any) -> None:
    x, y = clusters()
    imbtk.run((x, y), ["ncm"], model="mlp", epochs=2, quiet=True, device="cpu", out=tmp_path / "run")
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    head = check_predictions(tmp_path / "run", x).predictor.network.head
    assert type(head).__name__ == "CosineHead"
