"""Choices are counted, chains folded in the plan's order, failures named."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.context import Criterion
from imbtk.authoring.records import Batch, Outputs
from imbtk.errors import ConflictError, PluginError
from imbtk.planning.dispatch import BatchState, Dispatcher, bind
from imbtk.planning.plan import PlanItem

CONTEXT = RunContext(("a", "b"), torch.tensor([3, 1]), torch.tensor([3, 1]), torch.tensor([0, 0, 0, 1]))


class Weigh(Strategy):
    """Weigh, or not."""

    on: bool = option(True, "Whether to answer.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor | None:
        return torch.ones(2) if self.on else None


class Times(Strategy):
    """Multiply the criterion, add to it."""

    factor: float = option(2.0, "Factor.")
    plus: float = option(1.0, "Summand.")

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion) -> Criterion:
        return lambda logits, target: self.factor * criterion(logits, target) + self.plus


class Broken(Strategy):
    """Raise."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        raise KeyError("oops")


def items(*strategies: Strategy) -> list[PlanItem]:
    return [PlanItem(s, None, "acme 1.0", f"{s.name}#{i}") for i, s in enumerate(strategies)]


def chained(*strategies: Strategy) -> float:
    result = Dispatcher(items(*strategies)).chain(
        "imbtk_adjust_criterion", "criterion", lambda logits, target: logits, lambda r, _: r, context=CONTEXT
    )
    return float(result(3.0, None))


def test_a_choice_has_one_answer() -> None:
    answer = Dispatcher(items(Weigh(on=False), Weigh())).choice("imbtk_class_weights", context=CONTEXT)
    assert answer is not None
    assert answer[1].label == "weigh#1"
    assert Dispatcher(items(Weigh(on=False))).choice("imbtk_class_weights", context=CONTEXT) is None


def test_two_answers_are_a_conflict_with_both_names() -> None:
    with pytest.raises(
        ConflictError,
        match=r"the choice of class weights is claimed by 'weigh' \(acme 1.0\) and 'weigh' .*, each in "
        r"imbtk_class_weights. Enable one, or give them separate epochs: -s weigh@0-80% -s weigh@80%-",
    ):
        Dispatcher(items(Weigh(), Weigh())).choice("imbtk_class_weights", context=CONTEXT)


def test_chains_go_in_the_plan_order() -> None:
    assert chained(Times(factor=2, plus=1), Times(factor=10, plus=0)) == 70.0
    assert chained(Times(factor=10, plus=0), Times(factor=2, plus=1)) == 61.0


def test_a_failure_names_strategy_distribution_and_hook() -> None:
    with pytest.raises(PluginError, match=r"strategy 'broken' \(acme 1.0\) failed in imbtk_class_weights: KeyError"):
        Dispatcher(items(Broken())).choice("imbtk_class_weights", context=CONTEXT)


def test_each_strategy_draws_under_its_own_label() -> None:
    seen = []

    class Looks(Strategy):
        """Look at the draw."""

        @hookimpl
        def imbtk_class_weights(self, context: RunContext) -> None:
            seen.append(context.draw.name)

    Dispatcher(items(Looks(), Looks())).choice("imbtk_class_weights", context=CONTEXT)
    assert seen == ["looks#0", "looks#1"]


def bound(function: Any) -> Any:
    state = BatchState()
    rows = torch.tensor([7])
    state.outputs = Outputs(torch.ones(1, 2), torch.ones(1, 4))
    state.batch = Batch(torch.ones(1, 3), torch.ones(1, 2), rows, rows, epoch=3)
    return bind(function, items(Weigh())[0], "imbtk_criterion", state)


def test_a_callable_gets_what_its_signature_asks_for() -> None:
    def asks(logits: int, target: int, *, rows: Any, epoch: int) -> tuple[int, ...]:
        return logits, target, int(rows[0]), epoch

    assert bound(asks)(1, 2) == (1, 2, 7, 3)
    assert bound(asks).wanted == {"rows", "epoch"}
    assert bound(lambda a, b: a + b)(1, 2) == 3


def test_what_cannot_be_bound_is_refused() -> None:
    def asks(logits: int, target: int, *, images: Any) -> None: ...

    with pytest.raises(PluginError, match=r"asks for 'images', which there is not. It can have: features, experts"):
        bound(asks)
    with pytest.raises(PluginError, match=r"returned int, which cannot be called, from imbtk_criterion"):
        bound(3)


def test_a_failing_callable_names_its_strategy() -> None:
    def fails(logits: int, target: int) -> None:
        raise ZeroDivisionError("x")

    with pytest.raises(
        PluginError, match=r"strategy 'weigh' \(acme 1.0\) failed in imbtk_criterion: ZeroDivisionError"
    ):
        bound(fails)(1, 2)
