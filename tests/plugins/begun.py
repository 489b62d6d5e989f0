"""A plan at its first step: the network as its windows change it, what is minimised, and one batch."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import imbtk
from imbtk.authoring.records import Batch
from imbtk.comparison.entry import prepare_any
from imbtk.models.network import Network
from imbtk.planning.config import make_config
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.prepared import PreparedRun
from imbtk.training.batches import Batches
from imbtk.training.fitting import Fitted, fit, make_network
from imbtk.training.learner import Learner
from imbtk.training.windows import Windows


class Begun(NamedTuple):
    """What there is when a run's first phase has begun."""

    network: Network
    phase: BuiltPhase
    learner: Learner
    batch: Batch
    windows: Windows


def begin(data: Any, strategies: list[Any], **options: Any) -> Begun:
    """Return the first phase of a run of these strategies, begun, with a batch of its first epoch.

    Parameters
    ----------
    data : tuple of ndarray
        x and y.
    strategies : list of str or Strategy
    **options
        Of the run.
    """
    prepared = _prepared(data, strategies, options)
    network, phase = make_network(prepared), prepared.plan.phases[0]
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, prepared.model.device)
    validation = prepared.data.split.validation
    windows = Windows(network, batches, (validation, prepared.data.dataset.labels[validation]))
    phase_batches = batches.phase(phase, 1)
    windows.begin(phase, phase_batches)
    learner = Learner(network, phase)
    return Begun(network, phase, learner, next(phase_batches.epoch(0)), windows)


def train(data: Any, strategies: list[Any], **options: Any) -> Fitted:
    """Return what a run of these strategies trains, without its folder and its figures, which take seconds."""
    prepared = _prepared(data, strategies, options)
    return fit(prepared, make_network(prepared))


def check_predictions(folder: Path, x: np.ndarray) -> imbtk.RunResult:
    """Assert that a run folder, loaded, predicts what its ``predictions.csv`` says of rows of `x`; return it."""
    loaded = imbtk.load(folder)
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    numbers = [int(row["row"]) for row in rows]
    written = np.array([[float(value) for key, value in row.items() if key.startswith("p:")] for row in rows])
    np.testing.assert_allclose(loaded.predict_proba(x[numbers]), written, rtol=0, atol=1e-5)
    assert loaded.predict(x[numbers]).tolist() == [row["predicted"] for row in rows]
    return loaded


def _prepared(data: Any, strategies: list[Any], options: dict[str, Any]) -> PreparedRun:
    given = {"model": "mlp", "epochs": 4, "seed": 1, "device": "cpu", "precision": "fp32", "batch_size": 32}
    return prepare_any(make_config({**given, **options}), data, strategies)


def clusters(counts: tuple[int, ...] = (150, 50, 20), features: int = 6, spread: float = 1.0) -> Any:
    """Return a table of classes around centres of their own: x (N, D) float32 and y (N,)."""
    generator = torch.Generator().manual_seed(0)
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    centres = 2 * torch.randn(len(counts), features, generator=generator)
    x = centres[y] + spread * torch.randn(len(y), features, generator=generator)
    return x.numpy(), y.numpy()
