"""Small comparisons: patients with a few rows each, a table, seconds of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imbtk.comparison.comparison import Comparison, compare
from imbtk.comparison.outcomes import CellCost, JudgedRows, Outcome

QUICK: dict[str, Any] = {"epochs": 2, "folds": 3, "repeats": 2, "group_column": "patient", "jobs": 1, "quiet": True}


def write_patients(path: Path, seed: int = 0, patients: tuple[int, int] = (14, 7)) -> Path:
    """Write a table of patients of two classes, 3 to 6 rows each, features that tell the classes apart a little."""
    rng = np.random.default_rng(seed)
    lines = []
    for patient in range(sum(patients)):
        label = int(patient >= patients[0])
        effect = rng.normal(scale=0.5, size=3)
        for _ in range(int(rng.integers(3, 7))):
            x = effect + rng.normal(size=3) + 0.9 * label
            lines.append([f"p{patient}", ("healthy", "ill")[label], *x.round(4)])
    pd.DataFrame(lines, columns=["patient", "label", "a", "b", "c"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def patients_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of 21 patients."""
    return write_patients(tmp_path_factory.mktemp("patients") / "study.csv")


@pytest.fixture(scope="session")
def finished(patients_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Return a comparison of two strategies and their pair, also with patients ignored: read it, do not change it."""
    out = tmp_path_factory.mktemp("finished") / "study"
    return compare(
        patients_csv,
        each=("class-weights", "focal-loss"),
        pairs=True,
        also_ungrouped=True,
        margin=0.1,
        out=str(out),
        **QUICK,
    )


@pytest.fixture
def simulate() -> Callable[..., tuple[JudgedRows, list[Outcome]]]:
    """Return a function that makes rows and the outcomes of some plans from nothing."""
    return simulated


def simulated(
    seed: int,
    plans: int = 2,
    *,
    patients: tuple[int, ...] = (20, 12),
    size: int = 4,
    repeats: int = 2,
    folds: int = 4,
    lift: float = 0.0,
    grouped: bool = True,
) -> tuple[JudgedRows, list[Outcome]]:
    """Return rows and outcomes whose scores share a patient's effect; `lift` is what the first plan has over others."""
    rng = np.random.default_rng(seed)
    k = len(patients)
    labels_of = np.repeat(np.arange(k), patients)
    sizes = 1 + rng.poisson(size - 1, size=len(labels_of))
    groups = np.repeat(np.arange(len(labels_of)), sizes)
    labels = labels_of[groups]
    fold_of = np.stack([_dealt(labels_of, folds, rng) for _ in range(repeats)])
    rows = JudgedRows(labels, groups if grouped else None, tuple(f"c{i}" for i in range(k)), fold_of[:, groups])
    shared = rng.normal(scale=0.8, size=(len(labels_of), k))[groups] + rng.normal(scale=0.8, size=(len(labels), k))
    truth = np.eye(k)[labels]
    outcomes = []
    for plan in range(plans):
        own = rng.normal(scale=0.7, size=(len(labels_of), k))[groups]
        noise = own + rng.normal(scale=0.5, size=(repeats, len(labels), k))
        scores = (1.2 + lift * (plan == 0)) * truth + shared + noise
        p = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
        costs = tuple(
            CellCost(1.0 + plan, 100.0, 3 * len(labels) // 4, len(labels) // 4) for _ in range(repeats * folds)
        )
        outcomes.append(Outcome(f"plan {plan}", p.argmax(axis=2), p, np.full_like(p, 1 / k), costs))
    return rows, outcomes


def _dealt(labels_of: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    fold = np.zeros(len(labels_of), dtype=np.int64)
    for k in np.unique(labels_of):
        where = np.flatnonzero(labels_of == k)
        fold[where] = rng.permutation(np.arange(len(where)) % folds)
    return fold
