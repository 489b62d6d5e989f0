"""A plan's steps in a loop of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from seam_strategies import Average, SecondStage, SecondView, TwoBranches
from seam_trainings import alike, prepared

import imbtk
from imbtk.errors import PlanError
from imbtk.integrations.composition import Composition
from imbtk.models.builtin import MLP
from imbtk.models.network import Network
from imbtk.training.fitting import fit, make_network

PLANS: list[list[Any]] = [[TwoBranches(), "class-weights"], [Average(), SecondStage().at("50%-")], [SecondView()]]


def composed(plan: list[Any], x: Any, y: Any) -> tuple[Composition, Network]:
    composition = imbtk.compose(plan, labels=y, x=x, epochs=2, batch_size=16)
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return composition, composition.network(MLP((5,)))


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_loop_of_ones_own_trains_the_network_of_a_run(plan: list[Any]) -> None:
    run = prepared(*plan, schedule="constant", warmup=0.0, optimizer="sgd", lr=0.1, weight_decay=0.0)
    whole = fit(run, make_network(run)).network
    rows = run.data.split.train
    composition, network = composed(plan, run.data.dataset.x[rows].numpy(), run.data.dataset.labels[rows].numpy())
    steps = composition.steps(network, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True))
    for epoch in range(2):
        torch.manual_seed(composition.network_seed(epoch))
        losses = [steps.take(batch) for batch in steps.epoch(epoch)]
    assert torch.stack(losses).isfinite().all()
    alike(whole, network.state_dict(), 1e-5)


def test_the_learner_is_there_for_steps_of_ones_own() -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3 // 2
    composition, network = composed(["class-weights", SecondView()], x, y)
    steps = composition.steps(network, lambda p: torch.optim.SGD(p, lr=0.1))
    batch = next(steps.epoch(0))
    losses = steps.learner(batch)
    assert losses.shape == batch.rows.shape
    assert len(steps.optimizer.param_groups[0]["params"]) == len(list(network.parameters())) + 2


def test_a_loss_alone_is_refused_where_a_plan_does_more() -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3 // 2
    composition, network = composed([TwoBranches()], x, y)
    with pytest.raises(PlanError, match=r"'two-branches' do more than weigh a loss .* composition.steps"):
        composition.criterion(torch.zeros(3, 2), torch.tensor([0, 1, 0]))
    steps = composition.steps(network, lambda p: torch.optim.SGD(p, lr=0.1))
    with pytest.raises(PlanError, match="was called for epoch 1, and the next is 0"):
        next(steps.epoch(1))
    bare = imbtk.compose([TwoBranches()], labels=y, epochs=2, sample_shape=(5,))
    with pytest.raises(PlanError, match="give it x="):
        bare.steps(network, lambda p: torch.optim.SGD(p, lr=0.1))
