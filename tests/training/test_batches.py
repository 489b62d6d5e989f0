"""Rows to batches."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from imbtk import RunContext, Strategy, hookimpl
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.batches import Batches


class Invert(Strategy):
    """Invert images."""

    @hookimpl
    def imbtk_augment(self, augment: object, context: RunContext) -> object:
        return lambda images, target, draw: 1 - images


class Double(Strategy):
    """Add the mean of each class as a synthetic row."""

    @hookimpl
    def imbtk_resample(self, rows: object, context: RunContext) -> object:
        features = rows.features()  # type: ignore[attr-defined]
        labels = rows.all_labels.numpy()  # type: ignore[attr-defined]
        means = np.stack([features[labels == k].mean(0) for k in (0, 1)])
        return rows.with_synthetic(means, np.array([0, 1]))  # type: ignore[attr-defined]


def test_images_are_gathered_augmented_and_normalised() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8), np.arange(60) % 2
    prepared = prepare(make_config({"epochs": 1, "batch_size": 16}), (x, y), [Invert()])
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, torch.device("cpu"))
    train = prepared.data.split.train
    pixels = torch.from_numpy(x).float()[train] / 255
    mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3), correction=0)
    plain = (pixels - mean[:, None, None]) / std[:, None, None]
    assert torch.allclose(batches.samples(train), plain, atol=1e-5)

    parts = list(batches.phase(prepared.plan.phases[0], seed=0).epoch(0))
    assert sorted(torch.cat([batch.rows for batch in parts]).tolist()) == sorted(train.tolist())
    changed, target, rows, labels = parts[1][:4]
    assert torch.equal(labels, torch.from_numpy(y)[rows])
    expected = (1 - torch.from_numpy(x).float()[rows] / 255 - mean[:, None, None]) / std[:, None, None]
    assert torch.allclose(changed, expected, atol=1e-5)
    assert torch.equal(target, torch.nn.functional.one_hot(torch.from_numpy(y)[rows], 2).float())
    assert torch.equal(torch.from_numpy(x), prepared.data.dataset.x), "augmentation must not reach the store"


def test_synthetic_rows_are_what_was_made() -> None:
    generator = np.random.default_rng(0)
    x, y = (generator.normal(size=(60, 3)) * 5 + 2).astype(np.float32), np.arange(60) % 2
    prepared = prepare(make_config({"epochs": 1, "batch_size": 64}), (x, y), [Double()])
    (phase,) = prepared.plan.phases
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, torch.device("cpu"))
    in_order = dataclasses.replace(phase, order=lambda epoch: torch.arange(len(phase.indices)))
    ((loaded, _, rows, labels, *_),) = batches.phase(in_order, seed=0).epoch(0)
    assert rows[-2:].tolist() == [-1, -1]
    n = len(prepared.data.split.train)
    assert torch.allclose(loaded[:n], batches.samples(prepared.data.split.train), atol=1e-5)
    for k in (0, 1):
        assert torch.allclose(loaded[n + k], loaded[:n][labels[:n] == k].mean(0), atol=1e-4)
