"""What is meant to answer a hook and does not is refused by name, with the nearest one and what there is."""

from __future__ import annotations

import types
from typing import Any

import pytest

from imbtk import Strategy, hookimpl
from imbtk.authoring.implementations import check_implementations
from imbtk.errors import PluginError


def owner(name: str, function: Any) -> type:
    return type("Owner", (), {name: function})


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        (
            "imbtk_epoch_ende",
            lambda self, epoch: None,
            r"^it: imbtk_epoch_ende answers no hook, imbtk has none of that name. Did you mean 'imbtk_epoch_end' or ",
        ),
        ("imbtk_zzz", lambda self: None, r"none of that name. See docs/hooks/README.md.$"),
        ("class_weights", lambda self, context: None, r"class_weights answers no hook.* Did you mean 'imbtk_class_wei"),
        (
            "imbtk_decide",
            lambda self, probability: None,
            r"imbtk_decide asks for 'probability', which there is not. Did you mean 'probabilities'\? It can have: "
            r"logits, probabilities, labels, groups, context.$",
        ),
        ("imbtk_head", lambda self, zzz: None, r"for 'zzz', which there is not. It can have: in_features, context.$"),
        ("imbtk_models", lambda self, x: None, r"imbtk_models asks for 'x', which there is not. It has no arguments.$"),
        ("imbtk_epoch_end", lambda self, *, epoch: None, r"takes 'epoch' by keyword only.* Take the star away.$"),
    ],
)
def test_a_mistake_is_named(name: str, function: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        check_implementations(owner(name, hookimpl(function)), "it")


def test_an_unmarked_function_is_refused() -> None:
    with pytest.raises(PluginError, match=r"imbtk_head is named like a hook but is not marked.* Write @hookimpl above"):
        check_implementations(owner("imbtk_head", lambda self: None), "it")


def test_a_wrapper_is_refused() -> None:
    def wrapper(self: Any) -> Any:
        return (yield)

    with pytest.raises(PluginError, match=r"marked as a wrapper, which imbtk does not call. Write @hookimpl alone"):
        check_implementations(owner("imbtk_head", hookimpl(wrapper=True)(wrapper)), "it")


@pytest.mark.parametrize("wrap", [staticmethod, classmethod, lambda function: function])
def test_every_kind_of_method_is_looked_at(wrap: Any) -> None:
    def sound(*arguments: Any) -> None: ...

    check_implementations(owner("imbtk_head", wrap(hookimpl(sound))), "it")
    broken: Any = hookimpl((lambda wrong: None) if wrap is staticmethod else (lambda self, wrong: None))
    with pytest.raises(PluginError, match=r"asks for 'wrong'"):
        check_implementations(owner("imbtk_head", wrap(broken)), "it")


def test_an_argument_with_a_default_is_the_functions_own() -> None:
    check_implementations(owner("imbtk_head", hookimpl(lambda self, in_features, bias=True: None)), "it")


def test_modules_and_objects_are_looked_at() -> None:
    module = types.ModuleType("acme")
    module.imbtk_models = hookimpl(lambda config: {})  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match=r"plugin 'acme': imbtk_models asks for 'config'"):
        check_implementations(module, "plugin 'acme'")
    watcher = owner("imbtk_epoch_end", hookimpl(lambda self, epoc: None))()
    with pytest.raises(PluginError, match=r"asks for 'epoc', which there is not. Did you mean 'epoch'\?"):
        check_implementations(watcher, "observer")


def test_a_mixin_is_looked_at_when_the_strategy_is_made() -> None:
    class Mixin:
        @hookimpl
        def imbtk_class_weight(self) -> None: ...

    with pytest.raises(PluginError, match=r"strategy 'mixed' \(.*\.Mixed\): imbtk_class_weight answers no hook"):

        class Mixed(Mixin, Strategy):
            """Mixed."""
