"""The base class: names, options, state, identity."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.strategy import strategy_name
from imbtk.errors import OptionError, PluginError


class Halver(Strategy):
    """Halve the weight of every class."""

    power: float = option(0.5, "Exponent.", ge=0, le=3)
    rounds: int = option(1, "Times.", ge=1)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        self._fitted = context.class_counts.double()
        return self._fitted.pow(-self.power)


@pytest.mark.parametrize(
    ("class_name", "name"),
    [("SqrtWeights", "sqrt-weights"), ("LDAM", "ldam"), ("FocalLoss", "focal-loss"), ("LDAMLoss", "ldam-loss")],
)
def test_names_come_from_classes(class_name: str, name: str) -> None:
    assert strategy_name(class_name) == name


def test_options_are_read_from_text_and_shown_again() -> None:
    strategy = Halver(power="0.75")
    assert strategy.power == 0.75
    assert repr(strategy) == "Halver(power=0.75)"
    assert str(strategy.spec()) == "halver:power=0.75"
    assert strategy.options() == {"power": 0.75, "rounds": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"power": -1},
            r"option 'power' of strategy 'halver' \(given: -1\): input should be greater than or equal to 0",
        ),
        ({"power": "much"}, "should be a valid number"),
        ({"power": float("nan")}, "should be a finite number"),
        ({"rounds": 1.5}, "option 'rounds'"),
        ({"powr": 1}, r"unknown option 'powr' of 'halver'\. Did you mean 'power'"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Halver(**options)


def test_options_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match=r"frozen"):
        Halver().power = 2.0


def test_equal_strategies_are_two() -> None:
    assert Halver() != Halver()
    assert len({Halver(), Halver()}) == 2


def test_what_is_fitted_round_trips(tmp_path: Any) -> None:
    strategy = Halver()
    context = RunContext(("a", "b"), torch.tensor([3, 1]), torch.tensor([3, 1]), torch.tensor([0, 0, 0, 1]))
    strategy.imbtk_class_weights(context)
    torch.save(strategy.state_dict(), tmp_path / "state")
    other = strategy.clone()
    assert other.state_dict() == {}
    other.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert torch.equal(other._fitted, strategy._fitted)
    assert torch.equal(pickle.loads(pickle.dumps(strategy))._fitted, strategy._fitted)


def test_an_unmarked_hook_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(PluginError, match=r"is not marked as one. Write @hookimpl above it"):

        class Forgetful(Strategy):
            def imbtk_class_weights(self, context: RunContext) -> None: ...


def test_a_misspelt_hook_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(PluginError, match=r"Did you mean 'imbtk_class_weights'"):

        class Misspelt(Strategy):
            @hookimpl
            def imbtk_class_weigths(self, context: RunContext) -> None: ...
