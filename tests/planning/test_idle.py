"""Strategies that change nothing for the classes as they are say so; those that do, or were switched off, do not."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk import Strategy, hookimpl
from imbtk.errors import PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import make_network


def warnings(plan, counts=(60, 20), **options):
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.random.default_rng(0).normal(size=(len(y), 3)).astype(np.float32)
    config = make_config({"epochs": 4, "model": "linear", "device": "cpu", "domain": "auto", **options})
    return [text for text in prepare(config, (x, y), ["stratified-split", *plan]).plan.warnings if "nothing" in text]


class Rarity(Strategy):
    """Weigh classes by their rarity."""

    @hookimpl
    def imbtk_class_weights(self, context):
        return 1.0 / context.class_counts.double().clamp(min=1)


class Shift(Strategy):
    """Shift logits by the log of the class counts, or not."""

    on: bool = True

    @hookimpl
    def imbtk_adjust_criterion(self, criterion, context):
        if not self.on:
            return criterion
        shift = context.class_counts.clamp(min=1).float().log()
        return lambda logits, target: criterion(logits + shift, target)


@pytest.mark.parametrize("strategy", [Rarity(), Shift()])
def test_said_where_classes_are_alike_and_only_there(strategy) -> None:
    assert warnings([strategy]) == []
    assert len(warnings([strategy], counts=(40, 40))) == 1
    assert f"'{strategy.name}' changes nothing here" in warnings([strategy], counts=(40, 40))[0]


def test_said_where_another_strategy_made_them_alike() -> None:
    assert len(warnings(["bagging", Rarity()])) == 1
    assert len(warnings(["resample:method=RandomUnderSampler", Shift()])) == 1


def test_not_said_of_what_was_switched_off() -> None:
    assert warnings([Shift(on=False)], counts=(40, 40)) == []


class Last(Strategy):
    """Put the weights that training began with in their place."""

    replaces_weights = True

    @hookimpl
    def imbtk_finish(self, network):
        pass


class Halves(Strategy):
    """Halve the head's weights at the end."""

    @hookimpl
    def imbtk_finish(self, network):
        for parameter in network.head.parameters():
            parameter.data.mul_(0.5)


class Looks(Strategy):
    """Look at the network at the end, and leave it as it is."""

    @hookimpl
    def imbtk_finish(self, network):
        assert network.head is not None


def made(plan):
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    config = make_config({"epochs": 4, "model": "mlp", "device": "cpu"})
    return make_network(prepare(config, (x, np.arange(60) % 2), plan))


def test_a_change_that_another_undoes_is_refused_with_both_names() -> None:
    with pytest.raises(PlanError, match=r"'halves' changes.*'last', which comes after.*write 'last' before 'halves'"):
        made([Halves(), Last()])
    with pytest.raises(PlanError, match=r"'last' and 'last' each put other weights.*enable one of them"):
        made([Last(), Last()])
    for fine in ([Last(), Halves()], [Halves().at("0-50%"), Last()], [Looks(), Last()]):
        made(fine)


class Branches(Strategy):
    """Branch the network."""

    @hookimpl
    def imbtk_network(self, network):
        network.branch(2)


class Forks(Branches):
    """Branch it, too."""


def test_two_that_branch_are_both_named() -> None:
    with pytest.raises(PlanError, match="two strategies branch the network, 'branches' and 'forks'"):
        made([Branches(), Forks()])
