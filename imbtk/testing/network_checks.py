"""Checks of what is done to a network when a window begins and ends."""

from __future__ import annotations

import copy
from typing import Any

import torch

from imbtk.authoring.contracts import change_fault
from imbtk.models.network import Network
from imbtk.testing.bench import Bench, benches
from imbtk.testing.draw_checks import same_results
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import BATCH
from imbtk.testing.steps import step_taken

__all__: list[str] = []


@check("network-result", ("imbtk_network",))
def network_result(subject: Subject) -> None:
    """The hook returns None and leaves a network that gives logits (B, K), finite, also for a batch of one."""
    for bench in benches(subject):
        _check_changed(bench.network(), bench, "imbtk_network")


@check("finish-result", ("imbtk_finish",))
def finish_result(subject: Subject) -> None:
    """The hook returns None and leaves a network that gives logits (B, K), finite, also for a batch of one."""
    for bench in benches(subject):
        _check_changed(bench.finish(), bench, "imbtk_finish")


def _check_changed(found: tuple[Network, Any] | None, bench: Bench, hook: str) -> None:
    if found is None:
        return
    network, answer = found
    if fault := change_fault(answer):
        raise CheckFailure(
            f"{hook} returns {fault} ({bench.situation})", "Change the network in place: network.head = ..., say."
        )
    for size in (BATCH, 1):
        with torch.no_grad():
            logits = network(bench.situation.samples(size))
        wanted = (size, bench.situation.num_classes)
        if tuple(logits.shape) != wanted or not bool(logits.isfinite().all()):
            said = "logits that are not finite" if tuple(logits.shape) == wanted else f"shape {tuple(logits.shape)}"
            raise CheckFailure(
                f"{hook} leaves a network that gives {said} instead of {wanted} ({bench.situation})",
                "What takes the place of a part takes and gives what the part did, for an absent class too.",
            )


@check("finish-repeats", ("imbtk_finish",))
def finish_repeats(subject: Subject) -> None:
    """From the same state the window ends in the same network: it is tried after each epoch, on copies."""
    for bench in benches(subject, ordinary=True):
        step_taken(bench)
        before = copy.deepcopy(bench.strategy.state_dict())
        first = bench.finish()
        bench.strategy.load_state_dict(before)
        again = bench.finish()
        if first is None or again is None:
            continue
        one, two = (list(found[0].state_dict().values()) for found in (first, again))
        if not same_results(one, two):
            raise CheckFailure(
                f"called twice in the same state, imbtk_finish leaves different networks ({bench.situation})",
                "Take nothing from what an earlier call left but attributes that state_dict gives, and numbers from "
                "context.draw.",
            )


@check("kept-in-hooks", ("imbtk_objective", "imbtk_step"))
def kept_in_hooks(subject: Subject) -> None:
    """Modules are made where hooks are called, not in what they return."""
    for bench in benches(subject, ordinary=True):
        objective, step = bench.objective(), bench.step()
        before = set(bench.strategy.modules())
        if objective is not None:
            batch = bench.batch()
            objective(bench.outputs(batch), batch)
        if step is not None:
            step_taken(bench)
        late = sorted(set(bench.strategy.modules()) - before)
        if late:
            raise CheckFailure(
                f"the module '{late[0]}' is made while training goes on, so that no optimiser trains it and no "
                f"checkpoint gives it back ({bench.situation})",
                "Call self.keep(name, make) in imbtk_network, imbtk_objective or imbtk_step itself, before the "
                "function that it returns.",
            )
