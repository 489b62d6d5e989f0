"""A small table of pairs of rows whose folds are dealt by the pair's number, and runs on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from imbtk import RunContext, Split, Strategy, hookimpl
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import RunConfig
from imbtk.planning.prepared import PreparedRun

K, ROWS = 4, 160
LABELS = np.where(np.arange(ROWS) % 5 == 0, 1, 0)
X = (np.random.default_rng(0).normal(size=(ROWS, 3)) + 1.5 * LABELS[:, None]).astype(np.float32)
GROUPS = np.arange(ROWS) // 2
NAMES = np.array(["benign", "malignant"])
DATA = (X, NAMES[LABELS], GROUPS)
FOLD_OF = GROUPS % K


class Folds(Strategy):
    """Deal groups into folds by their number alone; the last eighth of the other rows validates."""

    @hookimpl
    def imbtk_split(self, dataset: Dataset, context: RunContext) -> list[Split]:
        fold = torch.from_numpy(FOLD_OF)
        splits = []
        for i in range(K):
            rest = torch.nonzero(fold != i)[:, 0]
            splits.append(Split(rest[: -ROWS // 8], rest[-ROWS // 8 :], torch.nonzero(fold == i)[:, 0]))
        return splits


def config(**options: Any) -> RunConfig:
    return RunConfig(**{"epochs": 3, "model": "mlp", "batch_size": 16, "fold": 1, "device": "cpu", **options})


def ready(*strategies: Any, data: Any = DATA, **options: Any) -> PreparedRun:
    return prepare(config(**options), data, [Folds(), *strategies])


def given(*sides: int) -> Dataset:
    """Return the data with folds of groups put on given sides."""
    return dataclasses.replace(load(DATA), given_split=torch.from_numpy(np.array(sides)[FOLD_OF]))
