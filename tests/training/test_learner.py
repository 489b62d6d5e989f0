"""The one door: wrapped for several processes or compiled, the same loop trains it to the same weights."""

from __future__ import annotations

import copy
import socket
from typing import Any

import pytest
import torch
from seam_strategies import Average, SecondView
from seam_trainings import PLANS, alike, prepared, rank_of_two, trained

from imbtk.errors import PlanError
from imbtk.training.fitting import make_network
from imbtk.training.learner import Learner


@pytest.mark.slow
def test_two_processes_train_the_network_that_one_does() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with torch.multiprocessing.Manager() as manager:
        found = manager.dict()
        torch.multiprocessing.spawn(rank_of_two, (port, found), nprocs=2)
        states = {key: {n: torch.from_numpy(v) for n, v in state.items()} for key, state in found.items()}
    for number, plan in enumerate(PLANS):
        first, second = states[0, number], states[1, number]
        assert all(torch.equal(first[name], second[name]) for name in first)
        alike(trained(prepared(*plan)), first)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_compiled_in_place_it_trains_the_same_network(plan: list[Any]) -> None:
    compiled: list[Learner] = []

    def wrap(learner: Learner) -> Learner:
        learner.compile(backend="eager")
        compiled.append(learner)
        return learner

    alike(trained(prepared(*plan)), trained(prepared(*plan), wrap).state_dict())
    assert compiled


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_four_parts_of_each_batch_give_the_same_network(plan: list[Any]) -> None:
    alike(trained(prepared(*plan)), trained(prepared(*plan, accumulate=4)).state_dict())


def test_who_looks_at_a_whole_batch_is_refused_where_it_is_cut() -> None:
    run = prepared(SecondView(), accumulate=2)
    with pytest.raises(PlanError, match=r"'second-view' looks at a whole batch at once, and --accumulate 2 cuts them"):
        make_network(run)
    run = prepared(SecondView())
    with pytest.raises(PlanError, match=r"'second-view' looks at .*, and 2 processes share them"):
        trained(run, world_size=2)


def test_modules_of_strategies_are_trained_beside_the_network_and_kept_by_the_run(tmp_path: Any) -> None:
    run = prepared(SecondView())
    network = make_network(run)
    learner = Learner(network, run.plan.phases[0])
    assert set(learner.state_dict()) > {"strategies.second-view.projection.weight"}
    (view,) = [item.strategy for item in run.plan.strategies.items]
    before = copy.deepcopy(view.modules()["projection"].state_dict())
    trained(run)
    after = view.modules()["projection"].state_dict()
    assert not torch.equal(before["weight"], after["weight"])
    assert torch.equal(view.state_dict()["kept"]["projection"]["weight"], after["weight"])


def test_a_projection_starts_by_seed_and_name_alone() -> None:
    def start(*others: Any) -> torch.Tensor:
        torch.manual_seed(len(others))
        run = prepared(*others, SecondView())
        view = run.plan.strategies.items[-1].strategy
        Learner(make_network(run), run.plan.phases[0])
        weight: torch.Tensor = view.modules()["projection"].weight
        return weight

    assert torch.equal(start(), start("class-weights", Average()))
