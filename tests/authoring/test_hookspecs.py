"""The list of hooks: what core knows about each, beside what it is for."""

from __future__ import annotations

from imbtk.authoring.hookspecs import HOOKS, strategy_hooks


def test_hooks_know_their_arguments_and_their_page() -> None:
    assert HOOKS["imbtk_class_weights"].arguments == ("context",)
    assert HOOKS["imbtk_class_weights"].page == "docs/hooks/class_weights.md"


def test_a_strategy_answers_what_belongs_to_a_run_in_its_order() -> None:
    names = [hook.name for hook in strategy_hooks()]
    assert {hook.name for hook in HOOKS.values()} - set(names) == {
        "imbtk_strategies", "imbtk_models", "imbtk_sources", "imbtk_metrics", "imbtk_plans", "imbtk_observers",
    }  # fmt: skip
    run = [
        "split", "resample", "epoch_order", "partner", "augment", "mix", "criterion", "objective", "step", "schedule",
        "network", "finish", "refit", "calibrate", "decide", "run_end",
    ]  # fmt: skip
    assert [name for name in names if name.removeprefix("imbtk_") in run] == [f"imbtk_{stage}" for stage in run]


def test_a_hook_that_goes_has_a_successor_that_stays() -> None:
    going = {hook.name: hook.successor for hook in HOOKS.values() if hook.successor}
    assert going == {"imbtk_refit": "imbtk_finish"}
    lasting = {hook.name for hook in strategy_hooks(lasting=True)}
    assert lasting == {hook.name for hook in strategy_hooks()} - going.keys()
    assert set(going.values()) <= lasting


def test_what_can_take_a_window() -> None:
    windowed = {name for name, hook in HOOKS.items() if hook.windowed}
    new = {"imbtk_partner", "imbtk_objective", "imbtk_step", "imbtk_schedule", "imbtk_network", "imbtk_finish"}
    assert new < windowed
    assert {name for name, hook in HOOKS.items() if hook.scope == "window"} == {"imbtk_network", "imbtk_finish"}
