"""The learning rate over a run, against torch and on paper."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from imbtk.training.schedule import Schedule, learning_rate_factor


def test_the_cosine_is_torchs() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    for step in range(50):
        assert learning_rate_factor(step, 50, "cosine", 0.0) == pytest.approx(
            optimizer.param_groups[0]["lr"], abs=1e-12
        )
        optimizer.step()
        reference.step()


def test_the_warm_up_rises_to_the_peak() -> None:
    factors = [learning_rate_factor(step, 100, "cosine", 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert factors[10] == 1.0
    assert all(a > b for a, b in pairwise(factors[10:]))


def test_steps_and_constants() -> None:
    assert [learning_rate_factor(s, 10, "step", 0.0) for s in (0, 5, 6, 7, 8, 9)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    assert {learning_rate_factor(s, 10, "constant", 0.0) for s in range(10)} == {1.0}


def test_steps_at_the_milestones_of_the_literature() -> None:
    """Of 200 epochs: warm-up in the first 5, a hundredth from 160 on, and again from 180 on."""
    factors = [
        learning_rate_factor(e, 200, "step", 0.025, milestones=(155 / 195, 175 / 195), fall=0.01) for e in range(200)
    ]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(factors[5:160]) == {1.0}
    assert factors[160:180] == pytest.approx([0.01] * 20)
    assert factors[180:] == pytest.approx([0.0001] * 20)


def test_one_step_is_a_run_too() -> None:
    assert learning_rate_factor(0, 1, "cosine", 0.05) == 1.0


def test_each_group_of_parameters_goes_by_its_own_peak() -> None:
    slow, fast = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [slow], "lr": 0.01}, {"params": [fast], "lr": 1.0}])
    schedule = Schedule(20, "step", 0.1)
    schedule.drive(optimizer)
    seen = []
    for step in (0, 1, 2, 19):
        schedule.set(step)
        seen.append([group["lr"] for group in optimizer.param_groups])
    # Half-way up in the first of two steps of warm-up; peaks are those it was made with, not those of a step before.
    assert seen == pytest.approx(np.array([[0.005, 0.5], [0.01, 1.0], [0.01, 1.0], [0.0001, 0.01]]))
    assert schedule.total == 20
