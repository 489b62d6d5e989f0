"""How core calls hooks: choices counted, chains folded in the plan's order, failures named.

pluggy by itself calls last-in-first-out and composes nothing, so the fold is here. Whatever a strategy returns for the
batch loop is bound once: it gets the extra arguments that its signature asks for, and a failure names its plugin.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import pluggy
import torch

from imbtk.authoring.context import RunContext
from imbtk.authoring.contracts import change_fault
from imbtk.authoring.draw import Draw
from imbtk.authoring.hookspecs import HOOKS, Hook
from imbtk.authoring.records import Batch, Outputs
from imbtk.discovery.catalogue import HookManager
from imbtk.discovery.random_state import RandomStates
from imbtk.errors import ConflictError, PluginError, RandomStateError, StrangersCode
from imbtk.planning.plan import PlanItem

__all__ = ["BatchState", "Dispatcher", "bind", "faultless", "random_states_kept", "remedy", "who", "wrong_result"]

_OF_THE_BATCH = ("rows", "epoch", "partner")
_OF_THE_FORWARD_PASS = ("features", "experts", *_OF_THE_BATCH, "network", "draw")
EXTRAS: dict[str, tuple[str, ...]] = {
    "imbtk_augment": ("rows", "epoch"),
    "imbtk_mix": _OF_THE_BATCH,
    "imbtk_criterion": _OF_THE_FORWARD_PASS,
    "imbtk_adjust_criterion": _OF_THE_FORWARD_PASS,
    "imbtk_objective": _OF_THE_FORWARD_PASS,
    "imbtk_step": ("network",),
}
"""What the callable from a hook can ask for: what there is when it is called."""

LENT = ("imbtk_head", "imbtk_refit")
"""Hooks that may make modules, whose initial weights come from torch's global random state: whoever calls seeds it."""
SEEDED = ("imbtk_network", "imbtk_objective", "imbtk_finish")
"""Likewise, seeded here by (seed, hook, strategy), so that what one strategy makes hangs on no other."""


class BatchState:
    """What the batch at hand offers to callables that ask for it.

    Attributes
    ----------
    batch : Batch, optional
    outputs : Outputs, optional
        What the network says of it.
    network : Network, optional
    draws : bool
        Whether a callable asks for random numbers.
    """

    __slots__ = ("batch", "draws", "network", "outputs")

    def __init__(self) -> None:
        self.draws = False
        self.batch: Batch | None = None
        self.outputs: Outputs | None = None
        self.network: Any = None

    def get(self, name: str, label: str) -> Any:
        """Return what a callable of the strategy `label` asks for by `name`; None where there is none."""
        if name == "network":
            return self.network
        if name in ("features", "experts"):
            return getattr(self.outputs, name, None)
        batch = self.batch
        if batch is None:
            return None
        if name == "partner":
            return batch.partners.get(label)
        if name == "draw":
            return None if batch.draw is None else batch.draw.named(label)
        return getattr(batch, name)


class Dispatcher:
    """The strategies of one phase, or of a whole run, behind pluggy's hooks.

    Parameters
    ----------
    items : sequence of PlanItem
        In the plan's order.
    """

    def __init__(self, items: Sequence[PlanItem]) -> None:
        self.items = tuple(items)

    @cached_property
    def _manager(self) -> HookManager:
        """Made when a hook is called: it takes a thousand times as long as finding that nobody answers."""
        manager = HookManager()
        for item in self.items:
            manager.register(item.strategy, name=item.label)
        return manager

    def _implementations(self, hook: str) -> list[tuple[PlanItem, pluggy.HookImpl]]:
        if not self.answering(hook):
            return []
        found = {impl.plugin_name: impl for impl in getattr(self._manager.hook, hook).get_hookimpls()}
        return [(item, found[item.label]) for item in self.items if item.label in found]

    def call(self, item: PlanItem, impl: pluggy.HookImpl, hook: str, arguments: dict[str, Any]) -> Any:
        """Call one implementation with the arguments that it asks for and a draw of its own."""
        context, key = arguments.get("context"), None
        if isinstance(context, RunContext):
            told = dataclasses.replace(context, draw=context.draw.named(item.label), window=item.during(context.epochs))
            arguments = {**arguments, "context": told}
            key = Draw(context.draw.seed, f"{hook} {item.label}").key if hook in SEEDED else None
        with (
            random_states_kept(item, hook),
            _torch_state_lent(key) if hook in LENT + SEEDED else contextlib.nullcontext(),
            StrangersCode(who(item), hook, remedy(item)),
        ):
            return impl.function(*(arguments[name] for name in impl.argnames))

    def choice(self, hook: str, **arguments: Any) -> tuple[Any, PlanItem] | None:
        """Return the one answer that is not None and who gave it, or None.

        Raises
        ------
        ConflictError
            If two strategies answer.
        """
        return self.only(hook, self.collect(hook, **arguments))

    @staticmethod
    def only(hook: str, answers: Sequence[tuple[Any, PlanItem]]) -> tuple[Any, PlanItem] | None:
        """Return the one of the answers to a choice, None where there is none; two are a :class:`ConflictError`."""
        if len(answers) > 1:
            raise ConflictError(_conflict(HOOKS[hook], [item for _, item in answers]))
        return answers[0] if answers else None

    def collect(self, hook: str, **arguments: Any) -> list[tuple[Any, PlanItem]]:
        """Return each answer that is not None, with who gave it."""
        return [
            (answer, item)
            for item, impl in self._implementations(hook)
            if (answer := self.call(item, impl, hook, arguments)) is not None
        ]

    def chain(self, hook: str, argument: str, value: Any, check: Callable[[Any, PlanItem], Any], **others: Any) -> Any:
        """Fold `value` through the strategies; `check` looks at, and may wrap, each result before it goes on."""
        for item, impl in self._implementations(hook):
            result = self.call(item, impl, hook, {argument: value, **others})
            value = check(result, item)
        return value

    def in_turn(self, hook: str, **arguments: Any) -> None:
        """Call each strategy in the plan's order, for what it does."""
        for item, impl in self._implementations(hook):
            if fault := change_fault(self.call(item, impl, hook, arguments)):
                raise wrong_result(item, hook, fault)

    def answering(self, hook: str) -> tuple[PlanItem, ...]:
        """Return the items that implement a hook, in the plan's order."""
        return tuple(item for item in self.items if hasattr(item.strategy, hook))


@contextlib.contextmanager
def _torch_state_lent(key: int | None) -> Iterator[None]:
    """Put torch's global random states back at the end; with a `key`, seed them by it first."""
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if in_use else ()
    with torch.random.fork_rng(devices=list(devices)):
        if key is not None:
            torch.manual_seed(key & 0x7FFFFFFF)
        yield


@contextlib.contextmanager
def random_states_kept(item: PlanItem, where: str) -> Iterator[None]:
    """Refuse a strategy that draws from, or seeds, a global random state meanwhile; the states are put back.

    Parameters
    ----------
    item : PlanItem
    where : str
        ``"imbtk_mix"``, or ``"the callable from imbtk_mix"``.

    Raises
    ------
    RandomStateError
        With the strategy, and whose state it is.
    """
    before = RandomStates.now()
    yield
    if library := before.disturbed():
        raise RandomStateError(
            f"{who(item)} draws from or seeds the global random state of {library} in {where}. Numbers come from "
            f"context.draw and from the draw that callables are given. {remedy(item)}",
            library,
        )


def remedy(item: PlanItem) -> str:
    """Return what a user can do about a strategy that fails."""
    return f"Report it to its author, or run without '{item.strategy.name}'."


def wrong_result(item: PlanItem, hook: str, what: str) -> PluginError:
    """Return the error for a strategy whose hook returned something else than its documentation says."""
    what += "," if ", " in what else ""
    page = HOOKS[hook].page
    return PluginError(f"{who(item)} returned {what} from {hook}; {page} says what it returns. {remedy(item)}")


def faultless(result: Any, item: PlanItem, hook: str, fault: str) -> Any:
    """Return what a hook, or a callable of it, gave; refuse it, its strategy named, if there is a fault in it."""
    if fault:
        raise wrong_result(item, hook, fault)
    return result


def who(item: PlanItem) -> str:
    """Return a strategy and who ships it, for people."""
    return f"strategy '{item.strategy.name}' ({item.provider})"


def _conflict(hook: Hook, items: Sequence[PlanItem]) -> str:
    claims = " and ".join(f"'{item}' ({item.provider})" for item in items)
    first, second = items[0].strategy.name, items[1].strategy.name
    said = f"the choice of {hook.stage} is claimed by {claims}, each in {hook.name}"
    if hook.scope == "once":
        return f"{said}, and there is one in a run. Enable one of them."
    return f"{said}. Enable one, or give them separate epochs: -s {first}@0-80% -s {second}@80%-"


def bind(function: Any, item: PlanItem, hook: str, state: BatchState) -> Callable[..., Any]:
    """Return `function` with the extra keyword-only arguments that it asks for taken from `state`.

    Raises
    ------
    PluginError
        If it cannot be called, or asks for a keyword-only argument that there is not.
    """
    if not callable(function):
        raise wrong_result(item, hook, f"{type(function).__name__}, which cannot be called")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    offered = EXTRAS.get(hook, ())
    wanted = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name in offered]
    unknown = [
        p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in offered and p.default is p.empty
    ]
    if unknown:
        can = f"It can have: {', '.join(offered)}" if offered else "It can have no more than its documentation says"
        raise PluginError(f"{who(item)}: the callable from {hook} asks for '{unknown[0]}', which there is not. {can}.")
    if "partner" in wanted and not hasattr(item.strategy, "imbtk_partner"):
        raise PluginError(
            f"{who(item)}: the callable from {hook} asks for a partner, which the strategy does not choose: it answers "
            f"no imbtk_partner. {remedy(item)}"
        )

    state.draws |= "draw" in wanted
    named, label = StrangersCode(who(item), hook, remedy(item)), item.label

    def bound(*arguments: Any) -> Any:
        with named:
            if not wanted:
                return function(*arguments)
            return function(*arguments, **{name: state.get(name, label) for name in wanted})

    bound.wanted = frozenset(wanted) | getattr(function, "wanted", frozenset())  # type: ignore[attr-defined]
    return bound
