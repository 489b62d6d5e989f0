"""A whole plan tried before training: what would be ignored, or would fail in the middle, is refused by name."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from seam_strategies import OwnLoss, SecondView, TwoBranches
from seam_trainings import prepared

from imbtk import Strategy, hookimpl
from imbtk.errors import PlanError, PluginError
from imbtk.models.network import Network
from imbtk.training.fitting import make_network


class Breaks(Strategy):
    """Leave a network that gives another number of classes."""

    @hookimpl
    def imbtk_finish(self, network: Network) -> None:
        network.head = torch.nn.Linear(64, 5)


class Reduces(Strategy):
    """Give one number for a batch."""

    @hookimpl
    def imbtk_objective(self, objective: Any) -> Any:
        return lambda outputs, batch: objective(outputs, batch).mean()


class Infinite(Strategy):
    """Divide by nothing."""

    @hookimpl
    def imbtk_objective(self, objective: Any) -> Any:
        return lambda outputs, batch: objective(outputs, batch) / 0.0


class Silent(Strategy):
    """Take a step, and say nothing of it."""

    @hookimpl
    def imbtk_step(self, step: Any) -> Any:
        def take(optimizer: Any, closure: Any) -> None:
            step(optimizer, closure)

        return take


class Returns(Strategy):
    """Return a network."""

    @hookimpl
    def imbtk_network(self, network: Network) -> Any:
        return network


class Lonely(Strategy):
    """Ask for a partner that it does not choose."""

    @hookimpl
    def imbtk_objective(self, objective: Any) -> Any:
        def asks(outputs: Any, batch: Any, *, partner: Any) -> Any:
            return objective(outputs, partner)

        return asks


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        ([Breaks()], PluginError, r"\('breaks' .*\) leaves a network that gives shape \(\d+, 5\) instead of"),
        ([Reduces()], PluginError, r"'reduces' .* gives float32 \(\) instead of a loss per sample, .* imbtk_objective"),
        ([Infinite()], PluginError, r"a dry run of the plan \('infinite' .*\) gives losses that are not finite"),
        (
            [Silent()],
            PluginError,
            r"'silent' .* gives NoneType instead of the loss that the closure gave, .* imbtk_step",
        ),
        ([Returns()], PluginError, r"'returns' .* returned Network and not None: it changes what it is given"),
        ([Lonely()], PluginError, r"'lonely' .* asks for a partner, which the strategy does not choose"),
        ([TwoBranches(), TwoBranches()], PlanError, "two strategies branch the network"),
        ([OwnLoss(), "class-weights"], PlanError, r"'own-loss' has an objective .*'class-weights' makes: it would be"),
        (["focal-loss", OwnLoss().at("50%-")], PlanError, "'focal-loss' makes: it would be ignored"),
    ],
)
def test_what_would_fail_or_be_ignored_is_refused(plan: list[Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make_network(prepared(*plan))


def test_an_objective_of_its_own_is_fine_alone() -> None:
    make_network(prepared(OwnLoss(), "oversample"))


def test_network_strategies_and_random_states_are_left_as_they_are() -> None:
    run = prepared(SecondView(), TwoBranches())
    before = copy.deepcopy([item.strategy.state_dict() for item in run.plan.strategies.items])
    torch.manual_seed(3)
    network = make_network(run)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    assert [item.strategy.state_dict() for item in run.plan.strategies.items] == before == [{}, {}]
    assert network.branches == 1
