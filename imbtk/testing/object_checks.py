"""Checks of a strategy as an object: it clones, pickles, has a stable repr, and its state can be saved."""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from imbtk.authoring.strategy import Strategy
from imbtk.errors import ImbtkError, PluginError
from imbtk.testing.bench import Bench, benches
from imbtk.testing.draw_checks import same_results
from imbtk.testing.dry_run import dry_run
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import BATCH

__all__: list[str] = []

_PLACES = np.arange(BATCH)
_KEPT = (torch.Tensor, bool, int, float, str, type(None))


@check("clones")
def clones(subject: Subject) -> None:
    """A clone is another object with the same options and nothing fitted."""
    for used in (subject.strategy, _used(subject)):
        mend = "Take options as declared fields only; do not override __init__ or clone."
        try:
            clone = used.clone()
        except (ImbtkError, TypeError, ValueError, AttributeError) as error:
            raise CheckFailure(f"clone() of {used!r} ends in {type(error).__name__}: {error}", mend) from error
        if clone is used or type(clone) is not type(used):
            raise CheckFailure(f"clone() of {used!r} returns the strategy itself, or one of another class", mend)
        if clone.options() != used.options():
            raise CheckFailure(f"clone() of {used!r} has other options: {clone!r}", mend)
        shared = [
            key for key, value in _fitted(clone).items() if value is _fitted(used).get(key) and _is_mutable(value)
        ]
        if shared:
            raise CheckFailure(
                f"a clone shares '{shared[0]}' with the strategy it was made of",
                "Keep what a hook fits in an attribute that begins with '_', set in the hook, not on the class.",
            )


@check("pickles")
def pickles(subject: Subject) -> None:
    """It pickles, before and after its hooks were called, with options and what was fitted."""
    for used in (subject.strategy, _used(subject)):
        mend = "Keep no lambda, inner function or open file in an attribute; define the class at the top of its module."
        try:
            again = pickle.loads(pickle.dumps(used))
        except Exception as error:  # pickle lets through whatever an object raises
            raise CheckFailure(f"{used!r} cannot be pickled: {error}", mend) from error
        if repr(again) != repr(used) or not _same_state(used.state_dict(), again.state_dict()):
            raise CheckFailure(f"{used!r} comes back from pickle as {again!r}, or without what it had fitted", mend)


@check("repr-stable")
def repr_stable(subject: Subject) -> None:
    """Its repr says the options, the same for a clone, and does not change when hooks are called."""
    strategy = subject.strategy
    texts = [repr(strategy), repr(strategy.clone()), repr(_used(subject))]
    mend = "Leave __repr__ as Strategy has it; give values of your own classes a __repr__ of their content."
    if re.search(r"0x[0-9a-fA-F]{6,}", texts[0]):
        raise CheckFailure(f"its repr holds an address in memory: {texts[0]}", mend)
    if len(set(texts)) > 1:
        raise CheckFailure(f"its repr is now {texts[0]}, now {next(t for t in texts if t != texts[0])}", mend)


@check("state-saved")
def state_saved(subject: Subject) -> None:
    """What it fits is in state_dict, which a file gives back with weights_only=True."""
    for bench in benches(subject, ordinary=True):
        before = set(vars(bench.strategy))
        dry_run(bench)
        used = bench.strategy
        state = _state_of(used)
        made = {key for key in set(vars(used)) - before - set(state) if not key.startswith("__")}
        lost = [key for key in sorted(made) if not _is_callable_or_empty(vars(used)[key])]
        if lost:
            kind = type(vars(used)[lost[0]]).__name__
            raise CheckFailure(
                f"what it keeps in '{lost[0]}' ({kind}) is not in state_dict, so a checkpoint loses it",
                "Keep a tensor or a number in an attribute that begins with '_', or override state_dict and "
                "load_state_dict.",
            )
        again = Bench(subject.strategy, bench.situation)
        dry_run(again)
        _round_trip(again.strategy, state)


def _state_of(used: Strategy) -> dict[str, Any]:
    try:
        return used.state_dict()
    except PluginError as error:
        raise CheckFailure(str(error).rstrip("."), "Or override state_dict and load_state_dict.") from error


def _round_trip(other: Strategy, state: dict[str, Any]) -> None:
    mend = "state_dict may hold tensors, numbers and text, in dictionaries and lists."
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        loaded = torch.load(file, weights_only=True)
    except (pickle.PickleError, AttributeError, TypeError, RuntimeError) as error:
        first = str(error).strip().split("\n")[0]
        raise CheckFailure(f"its state_dict does not load with weights_only=True: {first}", mend) from error
    other.load_state_dict(loaded)
    if not _same_state(state, other.state_dict()):
        raise CheckFailure(
            "a copy that loads its state_dict has another one", "Let load_state_dict take all that state_dict gives."
        )


@check("state-complete")
def state_complete(subject: Subject) -> None:
    """A fresh copy whose hooks are called and that loads state_dict goes on as the one that was used."""
    for bench in benches(subject, ordinary=True):
        going = _callables(bench)
        for function in going.values():
            function(0), function(1)
        resumed = Bench(subject.strategy, bench.situation)
        again = _callables(resumed)
        if again:
            resumed.strategy.load_state_dict(copy.deepcopy(bench.strategy.state_dict()))
        for hook, function in again.items():
            if not same_results(function(2), going[hook](2)):
                raise CheckFailure(
                    f"what {hook} returns remembers something that is not in state_dict: after two batches it goes on "
                    f"otherwise than a copy that loads the state ({bench.situation})",
                    "Keep what changes from batch to batch in an attribute that begins with '_', not in a closure, a "
                    "global or an iterator.",
                )


def _callables(bench: Bench) -> dict[str, Callable[[int], Any]]:
    """Return what hooks built, each called with the number of a batch, or of an epoch."""
    situation = bench.situation
    found: dict[str, Callable[[int], Any]] = {}
    augment, mix, criterion, order = bench.augment(), bench.mix(), bench.criterion(), bench.order()
    partner, objective = bench.partner(), bench.objective()
    if augment is not None:
        found["imbtk_augment"] = lambda n: augment(situation.samples(), situation.target(), BATCH * n + _PLACES)
    if mix is not None:
        found["imbtk_mix"] = lambda n: mix(situation.samples(), situation.target(), BATCH * n + _PLACES)
    if criterion is not None:
        found["imbtk_criterion"] = lambda n: criterion(situation.logits() + n, situation.target())
    if order is not None:
        found["imbtk_epoch_order"] = lambda n: order[0](n)
    if partner is not None:
        found["imbtk_partner"] = lambda n: partner(n, torch.arange(BATCH))
    if objective is not None:
        found["imbtk_objective"] = lambda n: objective(bench.outputs(bench.batch(number=n)), bench.batch(number=n))
    return found


def _used(subject: Subject) -> Strategy:
    """Return a copy whose hooks were called, in the first ordinary situation."""
    bench: Bench = next(benches(subject, ordinary=True))
    dry_run(bench)
    return bench.strategy


def _fitted(strategy: Strategy) -> dict[str, Any]:
    return {k: v for k, v in vars(strategy).items() if k.startswith("_") and not k.startswith("__")}


def _is_mutable(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, np.ndarray, list, dict, set))


def _is_callable_or_empty(value: Any) -> bool:
    return callable(value) or value is None or (isinstance(value, (list, dict, set, tuple)) and not value)


def _same_state(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        same = isinstance(other, dict) and one.keys() == other.keys()
        return same and all(_same_state(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        same = isinstance(other, (list, tuple)) and len(one) == len(other)
        return same and all(_same_state(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.shape == other.shape and bool(torch.equal(one, other))
    return bool(one == other) and isinstance(one, _KEPT)
