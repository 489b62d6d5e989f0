"""A strategy in a situation, its hooks called as core calls them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from imbtk import DecisionRule, EpochOrder, Network, RunContext, Strategy, TrainingRows, hookimpl
from imbtk.errors import PlanError
from imbtk.testing.bench import Bench, benches
from imbtk.testing.registry import CheckFailure, Subject
from imbtk.testing.situations import Situation, situations

SITUATION = next(situations())
TABLE = next(situation for situation in situations() if situation.kind == "table")


class Weighs(Strategy):
    """Weigh classes by their rows, and count calls."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        self._calls = getattr(self, "_calls", 0) + 1
        return context.class_counts.double()


class Orders(Strategy):
    """Show the first rows."""

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        return EpochOrder(lambda epoch, draw: torch.arange(epoch + 1), torch.ones(context.num_classes))


class Refuses(Strategy):
    """Refuse every run."""

    def check_run(self, context: RunContext) -> None:
        raise PlanError("not with these data.")

    @hookimpl
    def imbtk_decide(self, labels: np.ndarray) -> DecisionRule:
        return DecisionRule()


class Forgets(Strategy):
    """A link of a chain that returns nothing."""

    @hookimpl
    def imbtk_augment(self, augment: Any) -> None:
        return None


def test_the_strategy_itself_is_never_used() -> None:
    strategy = Weighs()
    bench = Bench(strategy, SITUATION)
    assert bench.class_weights().tolist() == list(SITUATION.counts)
    assert not hasattr(strategy, "_calls")


def test_a_hook_that_the_strategy_has_not_gives_nothing() -> None:
    bench = Bench(Weighs(), SITUATION)
    before = [bench.split, bench.resample, bench.order, bench.augment, bench.mix, bench.criterion]
    after = [bench.head, bench.refit, bench.calibrate, bench.decide]
    network = [bench.partner, bench.network, bench.objective, bench.step, bench.schedule, bench.finish]
    assert [ask() for ask in (*before, *network, *after)] == [None] * 16


def test_an_order_comes_with_the_mass_that_it_states() -> None:
    found = Bench(Orders(), SITUATION).order()
    assert found is not None
    draw, stated = found
    assert [draw(epoch).tolist() for epoch in (0, 2)] == [[0], [0, 1, 2]]
    assert stated.tolist() == [1.0, 1.0]


def test_classes_can_stand_in_another_order() -> None:
    ten = Situation("ten", tuple("abcdefghij"), tuple(range(1, 11)), "images")
    moved = torch.arange(10).flip(0)
    bench = Bench(Weighs(), ten, permutation=moved)
    assert bench.context.class_names == tuple("jihgfedcba")
    assert bench.class_weights().tolist() == list(range(10, 0, -1))
    # Rows stay where they are, and their labels follow.
    plain = Bench(Weighs(), ten)
    assert torch.equal(bench.rows.indices, plain.rows.indices)
    assert torch.equal(bench.context.labels, 9 - plain.context.labels)
    assert torch.equal(torch.bincount(bench.rows.labels, minlength=10), bench.context.class_counts)
    logits, labels = bench.validation
    assert (logits.argmax(1) == labels).mean() > 0.3


def test_who_refuses_a_run_gives_nothing_unless_errors_are_wanted() -> None:
    assert Bench(Refuses(), SITUATION).decide() is None
    with pytest.raises(PlanError, match="not with these data"):
        Bench(Refuses(), SITUATION, strict=True).decide()


class Grouped(Strategy):
    """Look at the groups of the rows that a decision is fitted on."""

    @hookimpl
    def imbtk_decide(self, labels: np.ndarray, groups: np.ndarray | None) -> DecisionRule:
        assert groups is None or len(groups) == len(labels)
        return DecisionRule(name="ungrouped" if groups is None else "grouped")


def test_a_decision_is_told_the_group_of_each_of_its_rows() -> None:
    made = [bench.decide().name for bench in benches(Subject(Grouped()))]
    assert "grouped" in made


def test_a_chain_that_is_broken_is_said_with_what_to_return() -> None:
    with pytest.raises(
        CheckFailure, match=r"imbtk_augment returned None with 2 classes \(images\)\. .*'augment' itself"
    ):
        Bench(Forgets(), SITUATION).augment()
    assert Bench(Forgets(), TABLE).augment() is None  # tables have no images


def test_benches_are_the_situations_or_the_ordinary_ones() -> None:
    subject = Subject(Weighs())
    every, ordinary = list(benches(subject)), list(benches(subject, ordinary=True))
    assert len(every) == len(list(situations()))
    assert {bench.situation.ordinary for bench in ordinary} == {True}
    assert len(ordinary) < len(every)


class Late(Strategy):
    """Mix a second row in, in the last epochs only."""

    def check_run(self, context: RunContext) -> None:
        if context.window.start == 0:
            raise PlanError("not from the first epoch.")

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Any:
        return lambda epoch, order, draw: order.flip(0)

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        assert (context.window.start, context.window.stop, context.phase.start) == (2, 4, 2)
        return lambda images, target, draw, *, partner: (partner.inputs, partner.target)


def test_who_refuses_the_first_epochs_is_tried_in_the_last_and_is_given_partners() -> None:
    bench = Bench(Late(), SITUATION, strict=True)
    mix = bench.mix()
    assert mix is not None
    images, target = mix(SITUATION.samples(4), SITUATION.target(4), np.arange(4))
    labels = bench.context.labels[:4].flip(0)
    assert target.argmax(1).tolist() == labels.tolist()
    assert torch.equal(images, SITUATION.samples(SITUATION.num_classes)[labels])


class Branches(Strategy):
    """Judge each of two experts, and end with the head of the first."""

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        network.branch(2)

    @hookimpl
    def imbtk_objective(self, objective: Any, in_features: int) -> Any:
        self._width = in_features
        return lambda outputs, batch: sum(objective(outputs.but(logits=logits), batch) for logits in outputs.experts)

    @hookimpl
    def imbtk_criterion(self) -> Any:
        return lambda logits, target, *, experts: experts.square().mean((0, 2)) + 0 * logits.sum(1)

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows) -> str:
        self._rows = training.features().shape[0]
        return "done"


@pytest.mark.parametrize("situation", [SITUATION, TABLE], ids=str)
def test_what_is_done_to_a_network_is_done_to_a_small_one(situation: Situation) -> None:
    bench = Bench(Branches(), situation, strict=True)
    begun, finished, objective = bench.network(), bench.finish(), bench.objective()
    assert begun is not None
    assert finished is not None
    assert objective is not None
    network, batch = begun[0], bench.batch()
    experts = network(batch.inputs, outputs=True).experts
    assert experts.shape == (2, 8, 2)
    assert (begun[1], finished[1]) == (None, "done")
    assert finished[0] is not network
    assert vars(bench.strategy)["_rows"] == sum(situation.counts)
    assert vars(bench.strategy)["_width"] == network.features(batch.inputs).shape[1]
    expected = sum(-(batch.target * logits.log_softmax(1)).sum(1) for logits in experts)
    torch.testing.assert_close(objective(bench.outputs(batch), batch), expected)
    criterion = bench.criterion()
    assert criterion is not None
    torch.testing.assert_close(criterion(situation.logits(), situation.target()), experts.square().mean((0, 2)))
