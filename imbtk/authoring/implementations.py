"""Answers to hooks, looked at before they are called: is there such a hook, is it marked, does it take what there is?

pluggy finds the same mistakes when a plugin is registered, which for a strategy is in the middle of a run, and says
them in its own words.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator

from imbtk.authoring.hookspecs import HOOKS, Hook
from imbtk.errors import PluginError, did_you_mean

__all__ = ["check_implementations"]

HOOKS_PAGE = "docs/hooks/README.md"


def check_implementations(owner: object, who: str) -> None:
    """Refuse what is meant to answer a hook and does not.

    Parameters
    ----------
    owner : object
        A class, a module, or an observer: whatever has functions named like hooks.
    who : str
        Whose they are, for people: ``"strategy 'focal-loss'"``.

    Raises
    ------
    PluginError
        If no hook has the name of a marked function, or of one that begins with ``imbtk_``; if a function named like a
        hook is not marked, or is marked as a wrapper; if one asks for an argument that the hook does not have.
    """
    for name in dir(owner):
        value = inspect.getattr_static(owner, name)
        if not (inspect.isroutine(value) or isinstance(value, (staticmethod, classmethod))):
            continue
        function = getattr(owner, name)
        marked = hasattr(function, "imbtk_impl")
        if not marked and not name.startswith("imbtk_"):
            continue
        if name not in HOOKS:
            raise PluginError(f"{who}: {name} answers no hook, imbtk has none of that name.{_nearest_hook(name)}")
        if not marked:
            raise PluginError(f"{who}: {name} is named like a hook but is not marked as one. Write @hookimpl above it.")
        if function.imbtk_impl["wrapper"] or function.imbtk_impl["hookwrapper"]:
            raise PluginError(
                f"{who}: {name} is marked as a wrapper, which imbtk does not call. Write @hookimpl alone."
            )
        is_method = inspect.isclass(owner) and inspect.isfunction(value)
        _check_arguments(list(_arguments(function, is_method)), HOOKS[name], who)


def _nearest_hook(name: str) -> str:
    """Return a hint; the prefix that all hooks share would make all of them look near."""
    by_stem = {hook.removeprefix("imbtk_"): hook for hook in HOOKS}
    close = difflib.get_close_matches(name.removeprefix("imbtk_"), by_stem, n=2)
    return f" Did you mean {' or '.join(repr(by_stem[stem]) for stem in close)}?" if close else f" See {HOOKS_PAGE}."


def _arguments(function: object, is_method: bool) -> Iterator[inspect.Parameter]:
    """Yield the arguments that have to be given, without the object itself."""
    parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    for parameter in parameters[1:] if is_method else parameters:
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            yield parameter


def _check_arguments(asked: list[inspect.Parameter], hook: Hook, who: str) -> None:
    """Refuse arguments that a hook does not have, or that cannot be given in order."""
    allowed = f"It can have: {', '.join(hook.arguments)}." if hook.arguments else "It has no arguments."
    for parameter in asked:
        if parameter.name not in hook.arguments:
            # With few arguments the list says it all; the nearest one is named where it is near.
            near = did_you_mean(parameter.name, hook.arguments)
            near = near if near.startswith(" Did") else ""
            raise PluginError(f"{who}: {hook.name} asks for '{parameter.name}', which there is not.{near} {allowed}")
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise PluginError(
                f"{who}: {hook.name} takes '{parameter.name}' by keyword only; hooks are given their arguments in "
                "order. Take the star away."
            )
