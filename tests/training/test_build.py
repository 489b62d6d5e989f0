"""A plan becomes phases, checked, whoever trains them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from imbtk import Rows, RunContext, Strategy, hookimpl, option
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import OptionError, PlanError
from imbtk.planning.plan import Plan
from imbtk.training.build import build_phases

LABELS = torch.tensor([0] * 8 + [1] * 2)


class Weigh(Strategy):
    """Weight by a power of the inverse frequency."""

    power: float = option(1.0, "Exponent.")

    def check_run(self, context: RunContext) -> None:
        if context.epochs > 100:
            raise OptionError("too long for 'weigh'.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().pow(-self.power)


class Order(Strategy):
    """Show only the rare class."""

    @hookimpl
    def imbtk_epoch_order(self) -> object:
        return lambda epoch, draw: torch.tensor([0, 8, 9])


def build(*strategies: object, epochs: int = 4, allow: bool = False) -> tuple[object, tuple[str, ...]]:
    plan = Plan.build(strategies, Catalogue(points=[]))  # type: ignore[arg-type]
    made = torch.empty((0, 1)), torch.empty(0, dtype=torch.int64)
    rows = Rows(torch.arange(10), LABELS, lambda i: np.zeros((len(i), 1)), *made, (np.zeros(1), np.ones(1)))
    counts = LABELS.bincount()
    context = RunContext(("a", "b"), counts, counts, LABELS, kind="table", sample_shape=(1,))
    return build_phases(plan, rows, dataclasses.replace(context, epochs=epochs), allow)


def test_windows_cut_phases() -> None:
    phases, said = build(Weigh().at("50%-"))
    assert [(p.planned.phase.start, p.planned.phase.stop, p.weights is None) for p in phases] == [  # type: ignore[attr-defined]
        (0, 2, True),
        (2, 4, False),
    ]
    assert said == ()


def test_a_strategy_may_refuse_the_run() -> None:
    with pytest.raises(OptionError, match="too long for 'weigh'"):
        build(Weigh(), epochs=101)


def test_too_far_alone_is_said_and_together_refused() -> None:
    _, said = build(Weigh(power=2.0))
    assert "corrects the class frequencies too far in epochs 0-4: the correction index is 2.00" in said[0]
    with pytest.raises(PlanError, match="At work together: 'weigh' and 'order'"):
        build(Weigh(), Order())
    assert len(build(Weigh(), Order(), allow=True)[1]) == 1


class Idle(Strategy):
    """Has nothing to do."""

    def notices(self, context: RunContext) -> tuple[str, ...]:
        return (f"'idle' has nothing to do from epoch {context.window.start} on.",)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> None:
        return None


def test_a_strategy_may_say_that_it_has_nothing_to_do() -> None:
    _, said = build(Weigh(power=2.0).at("0-50%"), Idle().at("50%-"))
    assert said[0] == "'idle' has nothing to do from epoch 2 on."
    assert len(said) == 2


class Late(Strategy):
    """Refuse to be on from the first epoch."""

    def check_run(self, context: RunContext) -> None:
        if context.window.start == 0:
            raise OptionError(f"'late' is on from {context.window.start} to {context.window.stop}.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return torch.ones(context.num_classes)


def test_a_strategy_may_refuse_its_window() -> None:
    with pytest.raises(OptionError, match="'late' is on from 0 to 4"):
        build(Late())
    with pytest.raises(OptionError, match="'late' is on from 0 to 2"):
        build(Late().at("0-50%"))
    assert len(build(Late().at("50%-"))[0]) == 2
