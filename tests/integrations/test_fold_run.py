"""A fold of scikit-learn, prepared as a run; the estimator's tests use it whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from imbtk.data.dataset import Dataset
from imbtk.errors import DataError, PlanError
from imbtk.integrations.fold_run import prepare_fold
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun

LABELS = torch.tensor([0] * 30 + [1] * 10)


def prepared(strategies: Any, weights: np.ndarray | None = None, fraction: float | None = None) -> PreparedRun:
    dataset = Dataset("X", "table", torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), LABELS, ("a", "b"))
    return prepare_fold(make_config({"epochs": 2, "device": "cpu"}), strategies, dataset, weights, fraction)


def test_all_rows_are_trained_on() -> None:
    run = prepared([])
    assert run.plan.context.natural_counts.tolist() == [30, 10]
    assert run.plan.warnings == ()
    assert prepared([], fraction=0.2).plan.context.natural_counts.tolist() == [24, 8]


def test_rows_without_weight_are_left_out() -> None:
    weights = np.ones(40)
    weights[:15] = 0
    assert prepared([], weights).plan.context.natural_counts.tolist() == [15, 10]
    with pytest.raises(DataError, match="sample_weight leaves rows of fewer than two classes"):
        prepared([], np.zeros(40))


def test_what_has_nothing_to_work_on_is_refused() -> None:
    with pytest.raises(PlanError, match=r"'calibrate' and 'threshold': fitted on rows that nothing is trained on"):
        prepared(["calibrate", "threshold"])
    with pytest.raises(PlanError, match=r"'strategies' is a list of them"):
        prepared("class-weights")


def test_the_gate_of_a_run_is_the_estimators_too() -> None:
    dataset = Dataset("X", "table", torch.zeros(42, 2), torch.tensor([0] * 20 + [1] * 20 + [2] * 2), ("a", "b", "c"))
    weights = np.ones(42)
    weights[40:] = 0
    with pytest.raises(DataError, match="X: class 'c' has no row on the training side of the split"):
        prepare_fold(make_config({"epochs": 2, "device": "cpu"}), [], dataset, weights, None)
