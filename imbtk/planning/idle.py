"""Which strategies change nothing in a phase, for the classes' counts as they are: that is said, never passed over."""

from __future__ import annotations

from typing import Any

import torch

from imbtk.planning.dispatch import BatchState, Dispatcher, bind
from imbtk.planning.ledger import same_loss
from imbtk.planning.phases import BuiltPhase, cross_entropy
from imbtk.planning.plan import PlanItem

__all__ = ["idle_strategies"]

_ALIKE = 1e-6


def idle_strategies(phase: BuiltPhase) -> list[str]:
    """Return a sentence for each strategy whose class weights or adjusted criterion leaves the loss as it is.

    An adjustment that is handed back unchanged was switched off by an option, and not told of.
    """
    context, said = phase.context, []
    dispatcher = Dispatcher([item.copy() for item in phase.planned.items])
    answer = dispatcher.choice("imbtk_class_weights", context=context)
    if answer is not None:
        weights = answer[0].detach().double().cpu()[context.class_counts > 0]
        if torch.allclose(weights, weights[:1].expand_as(weights), rtol=_ALIKE):
            said.append(_sentence(answer[1], "it weighs all classes alike"))
    before: Any = cross_entropy

    def link(result: Any, item: PlanItem) -> Any:
        nonlocal before
        bound = bind(result, item, "imbtk_adjust_criterion", BatchState())
        if result is not before and same_loss(before, bound, context.num_classes, context.device):
            said.append(_sentence(item, "it leaves the loss as it is"))
        before = bound
        return bound

    dispatcher.chain("imbtk_adjust_criterion", "criterion", cross_entropy, link, context=context)
    return said


def _sentence(item: PlanItem, what: str) -> str:
    return f"'{item}' changes nothing here: with classes as frequent as they are shown, {what}."
