"""Strategies and their options by name."""

from __future__ import annotations

from typing import Any

import pytest

from imbtk import Strategy, option
from imbtk.errors import OptionError, PlanError
from imbtk.integrations.nested_options import nested_options, with_nested


class Steep(Strategy):
    """Do nothing, steeply."""

    power: float = option(1.0, "Exponent.", ge=0)
    needed: int = option(description="Needed.")


def test_options_of_names_windows_and_instances() -> None:
    steep = Steep(needed=3)
    found = nested_options(["focal-loss:gamma=1@50%-", steep, "focal-loss"], ())
    assert found["focal-loss"] == "focal-loss:gamma=1@50%-"
    assert (found["focal-loss__gamma"], found["focal-loss#2__gamma"]) == (1, 2.0)
    assert (found["steep"], found["steep__power"], found["steep__needed"]) == (steep, 1.0, 3)
    assert nested_options((Steep(needed=1).at("80%-"),), ())["steep__needed"] == 1


@pytest.mark.parametrize("strategies", [(), None, -1.5, ["a:b"], [3], "focal-loss", {}])
def test_what_cannot_be_read_has_none(strategies: Any) -> None:
    assert nested_options(strategies, ()) == {}


def test_an_unknown_strategy_has_the_options_given() -> None:
    assert nested_options(["nobody:power=2"], ()) == {"nobody": "nobody:power=2", "nobody__power": 2}


def test_changes_keep_window_kind_and_order() -> None:
    assert with_nested(("focal-loss@50%-", "augment"), "focal_loss__gamma", 3) == ("focal-loss:gamma=3@50%-", "augment")
    assert with_nested(["focal-loss:gamma=3"], "focal-loss__gamma", None) == ["focal-loss"]
    assert with_nested(["focal-loss", "focal-loss"], "focal-loss#2__gamma", 1) == ["focal-loss", "focal-loss:gamma=1"]
    assert with_nested(["focal-loss", "augment"], "augment", "oversample") == ["focal-loss", "oversample"]
    assert with_nested(["focal-loss", "augment"], "focal-loss", None) == ["augment"]
    steep = Steep(needed=3, power=2.0)
    (changed,) = with_nested([steep], "steep__power", None)
    assert (changed.power, changed.needed, steep.power) == (1.0, 3, 2.0)
    ((strategy, window),) = with_nested([steep.at("80%-")], "steep__needed", 4)
    assert (strategy.needed, str(window)) == (4, "80%-")


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(
        PlanError, match=r"'strategies__focal-los__gamma': no strategy 'focal-los' .* 'focal-loss'\? Put"
    ):
        with_nested(["focal-loss"], "focal-los__gamma", 3)
    with pytest.raises(PlanError, match="The list is empty"):
        with_nested((), "focal-loss", None)
    with pytest.raises(OptionError, match=r"option 'power' of strategy 'steep' \(given: -1\)"):
        with_nested([Steep(needed=1)], "steep__power", -1)
