"""The rows of an epoch's batches, for one process and for several."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from imbtk import Rows, Strategy, hookimpl
from imbtk.errors import PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.phases import BuiltPhase
from imbtk.training.iterator import Share, batch_rows

CPU = torch.device("cpu")


class TwoMore(Strategy):
    """Make up two rows."""

    @hookimpl
    def imbtk_resample(self, rows: Rows) -> Rows:
        return rows.with_synthetic(np.zeros((2, 3), np.float32), np.array([1, 0]))


def phase_of(*strategies: Strategy, size: int = 8) -> BuiltPhase:
    data = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 4 // 3
    config = make_config({"epochs": 2, "batch_size": size, "model": "linear"})
    return prepare(config, data, list(strategies)).plan.phases[0]


def numbers(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


def test_batches_hold_the_rows_of_the_order_with_their_labels() -> None:
    phase = phase_of()
    order = phase.order(0)
    parts = batch_rows(phase, order, 8, 100, CPU, CPU)
    assert [len(part.rows) for part in parts] == [8] * 8
    rows = torch.cat([part.rows for part in parts])
    assert torch.equal(rows, phase.indices[order])
    assert torch.equal(torch.cat([part.labels for part in parts]), phase.labels[order])
    assert torch.equal(torch.cat([part.places for part in parts]), rows)
    assert [len(part.rows) for part in batch_rows(phase, order[:11], 8, 100, CPU, CPU)] == [8, 3]


def test_made_up_rows_have_no_number_and_stand_behind_all_samples() -> None:
    phase = phase_of(TwoMore())
    n = len(phase.indices)
    # The last two of the phase's rows are made up; of 100 + 2 samples they are the last two, too.
    (part,) = batch_rows(phase, numbers(n - 1, 0, n - 2), 8, 102, CPU, CPU)
    first = int(phase.indices[0])
    assert part.rows.tolist() == [-1, first, -1]
    assert part.places.tolist() == [101, first, 100]
    assert part.labels.tolist() == [0, int(phase.labels[0]), 1]


def share(rank: int, world_size: int, phase: BuiltPhase, size: int = 8, epoch: int = 0) -> Share:
    made = Share(rank, world_size, size)
    made.begin(phase, epoch)
    return made


def test_shares_of_processes_are_equally_long_and_disjoint() -> None:
    phase = phase_of()
    shares = [share(rank, 3, phase) for rank in range(3)]
    assert [len(one) for one in shares] == [21, 21, 21]  # of 64 rows one is left out
    orders = [one.order.tolist() for one in shares]
    whole = phase.order(0).tolist()
    assert [row for three in zip(*orders, strict=True) for row in three] == whole[:63]
    assert torch.equal(shares[1].rows, phase.indices[shares[1].order])
    assert share(1, 3, phase, epoch=1).order.tolist() == phase.order(1).tolist()[1::3][:21]


def test_a_last_batch_of_one_is_left_out_in_a_share_as_in_a_run() -> None:
    phase = phase_of()
    assert len(share(0, 1, phase, size=9)) == 63
    assert len(share(0, 1, phase, size=8)) == 64
    assert len(share(0, 3, phase, size=5)) == 20
    assert len(share(0, 1, phase, size=1)) == 64
    alone = dataclasses.replace(phase, order_length=1)
    assert len(share(0, 1, alone)) == 1


def test_each_who_takes_its_own_places_of_the_global_order() -> None:
    one = share(1, 3, phase_of())
    assert one.take("augment", 4).tolist() == [1, 4, 7, 10]
    assert one.take("mix", 2).tolist() == [1, 4]
    assert one.take("augment", 2).tolist() == [13, 16]
    one.rewind()
    assert one.take("augment", 1).tolist() == [1]
    one.begin(phase_of(), 1)
    assert (one.take("augment", 21)[-1], one.shown) == (1 + 3 * 20, False)


def test_more_samples_than_the_epoch_has_are_refused() -> None:
    one = share(0, 3, phase_of(), epoch=1)
    one.take("augment", 20)
    with pytest.raises(PlanError, match=r"augment was called for 22 samples in epoch 1, which has 21: call"):
        one.take("augment", 2)
    assert one.take("augment", 1).tolist() == [60]


def test_a_sampler_cannot_give_rows_that_nobody_has() -> None:
    made = share(0, 1, phase_of(TwoMore()))
    with pytest.raises(PlanError, match=r"the plan \('two-more'\) makes up 2 rows, which your data set does not hold"):
        _ = made.rows
