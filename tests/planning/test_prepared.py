"""What a prepared run says of which rows are left to fit on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun, Unseen


@pytest.fixture(scope="module")
def prepared() -> PreparedRun:
    data = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3 // 2
    return prepare(make_config({"epochs": 1, "model": "linear"}), data)


def with_test_rows(prepared: PreparedRun, *rows: int) -> PreparedRun:
    split = dataclasses.replace(prepared.data.split, test=torch.tensor(rows))
    return dataclasses.replace(prepared, data=dataclasses.replace(prepared.data, split=split))


def test_a_plain_run_fits_on_validation_rows(prepared: PreparedRun) -> None:
    split = prepared.data.split
    assert list(prepared.sides) == ["validation", "test"]
    assert torch.equal(prepared.sides["validation"], split.validation)
    assert torch.equal(prepared.sides["test"], split.test)
    assert torch.equal(prepared.calibration_rows, split.validation)
    assert torch.equal(prepared.decision_rows, split.validation)
    assert prepared.decision_models == 0


def test_inner_models_lend_their_rows_to_the_decision_alone(prepared: PreparedRun) -> None:
    inner = (with_test_rows(prepared, 5, 2), with_test_rows(prepared, 9))
    run = dataclasses.replace(prepared, inner=inner)
    assert run.decision_rows.tolist() == [5, 2, 9]  # fold after fold, as their logits come
    assert run.decision_models == 2
    assert torch.equal(run.calibration_rows, prepared.data.split.validation)
    assert list(run.sides) == ["validation", "test"]


def test_a_run_on_all_rows_has_those_that_other_models_had_not_seen(prepared: PreparedRun) -> None:
    rows = torch.tensor([7, 1, 3])
    unseen = Unseen(rows, np.zeros((3, 2)), models=6, epochs=4, estimate={})
    run = dataclasses.replace(prepared, unseen=unseen)
    assert list(run.sides) == ["out_of_fold"]
    for found in (run.sides["out_of_fold"], run.calibration_rows, run.decision_rows):
        assert torch.equal(found, rows)
    assert run.decision_models == 6
