import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from imbtk.data import normalise
from imbtk.data.dataset import Dataset
from imbtk.data.normalise import Normalisation, feature_scale, features_of


def _images(n: int = 20, channels: int = 3, size: int = 5, seed: int = 0) -> Dataset:
    x = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, channels, size, size), dtype=np.uint8))
    return Dataset("x", "images", x, torch.zeros(n, dtype=torch.int64), ("a", "b"))


def _table(x: np.ndarray) -> Dataset:
    return Dataset(
        "x", "table", torch.from_numpy(x.astype(np.float32)), torch.zeros(len(x), dtype=torch.int64), ("a", "b")
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.sampled_from([1, 3]), st.integers(0, 100))
def test_channels_are_exact_over_the_rows_given(rows: int, channels: int, seed: int) -> None:
    dataset = _images(channels=channels, seed=seed)
    chosen = torch.from_numpy(np.random.default_rng(seed).permutation(20)[:rows])
    fitted = Normalisation.fit(dataset, chosen)
    values = dataset.x[chosen].double() / 255
    np.testing.assert_allclose(fitted.mean, values.mean(dim=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(fitted.std, values.std(dim=(0, 2, 3), correction=0), rtol=1e-6)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, rows = _images(), torch.arange(20)
    whole = Normalisation.fit(dataset, rows)
    monkeypatch.setattr(normalise, "_CHUNK_BYTES", 150)
    parts = Normalisation.fit(dataset, rows.flip(0))
    assert torch.equal(whole.mean, parts.mean)
    assert torch.equal(whole.std, parts.std)


def test_columns_agree_with_scikit_learn_and_skip_missing_values() -> None:
    x = np.random.default_rng(0).normal(5, 3, (40, 4))
    x[::7, 1] = np.nan
    x[:, 2] = 0.1
    x[:, 3] = np.nan
    rows = torch.arange(30)
    fitted = Normalisation.fit(_table(x), rows)
    reference = StandardScaler().fit(x[:30, :3].astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(fitted.mean[:3], reference.mean_, rtol=1e-6)
    np.testing.assert_allclose(fitted.std[:3], reference.scale_, rtol=1e-6)
    assert (fitted.mean[3], fitted.std[3]) == (0, 1)
    scaled = fitted.apply(_table(x).x)
    assert torch.isfinite(scaled).all()
    assert scaled[7, 1] == 0
    assert (scaled[:, 2].abs() < 1e-6).all()


def test_a_channel_that_does_not_vary_gets_deviation_one() -> None:
    dataset = _images(channels=1)
    dataset.x.fill_(51)
    fitted = Normalisation.fit(dataset, torch.arange(20))
    assert fitted.std.tolist() == [1.0]
    assert fitted.mean.tolist() == pytest.approx([0.2])


def test_batches_are_standardised() -> None:
    dataset = _images()
    fitted = Normalisation.fit(dataset, torch.arange(20))
    scaled = fitted.apply(dataset.x.float() / 255)
    assert scaled.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-5)
    assert scaled.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1] * 3, abs=1e-5)


def test_only_the_rows_given_are_looked_at() -> None:
    dataset = _images()
    before = Normalisation.fit(dataset, torch.arange(10))
    dataset.x[10:] = 0
    after = Normalisation.fit(dataset, torch.arange(10))
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(before.std, after.std)


def test_it_survives_json() -> None:
    fitted = Normalisation.fit(_images(), torch.arange(20))
    again = Normalisation.from_json(json.loads(json.dumps(fitted.to_json())))
    assert torch.equal(fitted.mean, again.mean)
    assert torch.equal(fitted.std, again.std)


@pytest.mark.parametrize("kind", ["images", "table"])
def test_features_and_their_scale_belong_together(kind: str) -> None:
    dataset = _images() if kind == "images" else _table(np.random.default_rng(1).normal(3, 2, (20, 4)))
    fitted = Normalisation.fit(dataset, torch.arange(20))
    rows = torch.tensor([3, 3, 0])
    features = features_of(dataset, fitted, rows)
    mean, std = feature_scale(dataset, fitted)
    assert features.dtype == np.float32
    own = dataset.x[rows].flatten(1).double().numpy() / (255 if kind == "images" else 1)
    assert features.shape == own.shape == (3, len(mean))
    np.testing.assert_allclose(features * std + mean, own, atol=1e-5)
