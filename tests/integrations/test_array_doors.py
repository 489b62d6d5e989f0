"""The same array by every door: a run, an estimator, a loop of one's own, and prediction."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from imbtk.authoring.prediction import CalibrationMap, DecisionRule
from imbtk.data import load
from imbtk.data.normalise import Normalisation
from imbtk.data.options import DataOptions
from imbtk.errors import DataError
from imbtk.inference.predictor import Predictor
from imbtk.integrations.given_rows import given_dataset
from imbtk.integrations.samples import SampleForm

LABELS = np.array([0, 1] * 3)
RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 7, 7, 3), dtype=np.uint8)
TABLE = RNG.normal(size=(6, 3))


def by_run(x: Any) -> torch.Tensor:
    return load((x, LABELS)).x


def by_estimator(x: Any) -> torch.Tensor:
    return SampleForm.of(x, DataOptions())[1]


def by_loop(x: Any) -> torch.Tensor:
    return given_dataset(torch.from_numpy(LABELS), ("a", "b"), None, x, None, None, "photo").x


def by_prediction(x: Any) -> torch.Tensor:
    shape = (3,) if np.ndim(x) == 2 else (1 if np.ndim(x) == 3 or 1 in np.shape(x) else 3, 7, 7)
    table = {"columns": [{"name": f"x{column}", "type": "number"} for column in range(3)]}
    description = {
        "kind": "table" if len(shape) == 1 else "images",
        "sample_shape": shape,
        "preprocessing": table if len(shape) == 1 else {"size": 7, "channels": shape[0], "resize": "pad"},
        "precision": "fp32",
    }
    unit = Normalisation(torch.zeros(shape[0]), torch.ones(shape[0]))
    predictor = Predictor(torch.nn.Identity(), description, unit, CalibrationMap(), DecisionRule())
    return predictor._samples(x)


DOORS = (by_run, by_estimator, by_loop, by_prediction)


@pytest.mark.parametrize(
    "x",
    [
        BYTES,
        np.moveaxis(BYTES, 3, 1),
        BYTES[..., 0],
        BYTES[..., :1],
        BYTES.astype(np.int64),
        BYTES.astype(np.uint16) * 257,
        BYTES > 99,
        BYTES / 255,
        (BYTES / 255).astype(np.float32),
        np.resize((np.arange(255) + 0.5) / 255, (6, 7, 7)).astype(np.float32),
        torch.from_numpy(BYTES / 255).bfloat16(),
        BYTES.tolist(),
        TABLE,
        TABLE.astype(np.float32),
        TABLE.astype(np.float16),
        np.where(TABLE > 1, np.nan, TABLE),
        (TABLE * 9).astype(np.int32),
        TABLE > 0,
        TABLE.astype(object),
        torch.from_numpy(TABLE).requires_grad_(),
        TABLE.tolist(),
    ],
)
def test_every_door_makes_the_same_samples(x: Any) -> None:
    first, *others = (door(x) for door in DOORS)
    assert first.dtype == (torch.float32 if first.ndim == 2 else torch.uint8)
    for other in others:
        torch.testing.assert_close(other, first, rtol=0, atol=0, equal_nan=True)


def with_one(x: np.ndarray, value: Any) -> np.ndarray:
    changed = x.copy()
    changed[(2, *[1] * (x.ndim - 1))] = value
    return changed


@pytest.mark.parametrize(
    "x",
    [
        with_one(BYTES / 255, np.nan),
        with_one(BYTES / 255, np.inf),
        with_one(BYTES / 255, -0.1),
        BYTES.astype(np.float32),
        BYTES.astype(np.int64) + 1,
        BYTES.astype(np.int64) - 1,
        BYTES.astype(str),
        BYTES[:, :0],
        np.zeros((6, 1, 7, 7, 1)),
        with_one(TABLE, np.inf),
        with_one(TABLE, -1e39),
        with_one(TABLE.astype(object), "a"),
    ],
)
def test_every_door_refuses_the_same_with_the_same_words(x: np.ndarray) -> None:
    assert len({said(door, x) for door in DOORS}) == 1


def said(door: Callable[[Any], torch.Tensor], x: np.ndarray) -> str:
    """Return what a door says, but for what it calls the array, and that a training may be given texts another way."""
    with pytest.raises(DataError) as caught:
        door(x)
    words = re.sub(r"^([xX]( of arrays)?)(: | (?=has|holds))", "", str(caught.value))
    return words.removesuffix(" Give numbers, or a DataFrame: its columns of text are encoded.")
