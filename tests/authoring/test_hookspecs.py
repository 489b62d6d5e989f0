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
    run = ["split", "resample", "epoch_order", "augment", "criterion", "refit", "calibrate", "decide", "run_end"]
    assert [name for name in names if name.removeprefix("imbtk_") in run] == [f"imbtk_{stage}" for stage in run]
