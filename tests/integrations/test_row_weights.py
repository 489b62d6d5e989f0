"""Weights of single rows, on paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imbtk.authoring.records import Batch
from imbtk.integrations.row_weights import with_row_weights
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun


def prepared(*strategies: str, **options: str) -> PreparedRun:
    x = np.random.default_rng(0).normal(size=(40, 2))
    return prepare(make_config({"epochs": 1, "device": "cpu", **options}), (x, np.arange(40) % 4 // 3), strategies)


def test_losses_count_by_their_row_with_mean_one() -> None:
    run = prepared()
    rows = run.data.split.train
    weights = torch.zeros(40, dtype=torch.float64)
    weights[rows] = torch.arange(1.0, len(rows) + 1, dtype=torch.float64)
    (phase,) = with_row_weights(run, weights).plan.phases
    labels = run.data.dataset.labels[rows]
    phase.state.batch = Batch(torch.empty(len(rows)), torch.eye(2)[labels], rows, labels)
    losses = phase.criterion(torch.zeros(len(rows), 2), torch.eye(2)[labels])
    expected = np.log(2) * weights[rows] / weights[rows].mean()
    assert losses.tolist() == pytest.approx(expected.tolist())
    assert losses.mean().item() == pytest.approx(np.log(2))


def test_a_class_that_weighs_more_is_more_frequent() -> None:
    plain = prepared("class-weights")
    counts = plain.plan.context.natural_counts.double()
    heavy = with_row_weights(plain, torch.where(plain.data.dataset.labels == 1, 2.0, 1.0).double())
    ledger = heavy.plan.phases[0].ledger
    assert ledger.natural.tolist() == pytest.approx(
        (counts * torch.tensor([1, 2]) / (counts[0] + 2 * counts[1])).tolist()
    )
    assert ledger.weighted.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert heavy.plan.deployment.tolist() == pytest.approx(ledger.natural.tolist())
    uniform = with_row_weights(prepared(deploy="uniform"), torch.ones(40, dtype=torch.float64))
    assert uniform.plan.deployment.tolist() == [0.5, 0.5]


def test_made_up_rows_have_the_mean_of_their_class() -> None:
    run = prepared("resample:method=RandomOverSampler")
    weights = torch.where(run.data.dataset.labels == 1, 3.0, 1.0).double()
    (phase,) = with_row_weights(run, weights).plan.phases
    phase.state.batch = Batch(torch.empty(2), torch.eye(2), torch.tensor([-1, -1]), torch.arange(2))
    losses = phase.criterion(torch.zeros(2, 2), torch.eye(2))
    assert (losses[1] / losses[0]).item() == pytest.approx(3.0)
