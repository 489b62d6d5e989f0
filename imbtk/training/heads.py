"""The classifier head that a plan chooses, and where its bias starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from imbtk.authoring.context import RunContext
from imbtk.authoring.contracts import head_fault
from imbtk.authoring.hookspecs import HOOKS
from imbtk.models.heads import LinearHead
from imbtk.models.network import set_prior_bias
from imbtk.models.trial import HeadOrigin, check_head
from imbtk.planning.dispatch import Dispatcher, who, wrong_result
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.plan import PlanItem

__all__ = ["HeadMaker", "checked_origin", "head_maker", "start_at_prior"]


def head_maker(items: Sequence[PlanItem], context: RunContext) -> HeadMaker:
    """Return ``in_features -> head``, the head that a plan chooses, or a linear one; it knows whose head it made."""
    return HeadMaker(tuple(items), context)


class HeadMaker:
    """Makes the head that a plan chooses.

    Parameters
    ----------
    items : tuple of PlanItem
    context : RunContext

    Attributes
    ----------
    origin : HeadOrigin
        Who made the last head.
    """

    def __init__(self, items: tuple[PlanItem, ...], context: RunContext) -> None:
        self._items, self._context = items, context
        self.origin = HeadOrigin()

    def __deepcopy__(self, memo: object) -> HeadMaker:
        """Return itself: a copied network makes the same heads."""
        return self

    def __call__(self, in_features: int) -> torch.nn.Module:
        """Return the head for features (B, `in_features`).

        Raises
        ------
        ConflictError
            If two strategies make one.
        PluginError
            If what a strategy made is no head; it is named.
        """
        context = self._context
        found = Dispatcher(self._items).choice("imbtk_head", in_features=in_features, context=context)
        if found is None:
            return LinearHead(in_features, context.num_classes)
        head, item = found
        self.origin = checked_origin(head, item, "imbtk_head", in_features, context.num_classes)
        return head  # type: ignore[no-any-return]


def checked_origin(head: Any, item: PlanItem, hook: str, width: int, num_classes: int) -> HeadOrigin:
    """Return whose head it is; refuse what is none."""
    if fault := head_fault(head):
        raise wrong_result(item, hook, fault)
    remedy = f"{HOOKS[hook].page} says what is wanted. Report it to its author, or run without '{item.strategy.name}'."
    origin = HeadOrigin(who(item), hook, remedy)
    check_head(head, width, num_classes, origin)
    return origin


def start_at_prior(head: torch.nn.Module, phase: BuiltPhase) -> None:
    """Put the bias of a head where a model without features would be: at the log of a phase's effective prior."""
    # A class without mass gets the logit of a single row, so that it is unlikely and not impossible.
    floor = 1.0 / max(1, int(phase.context.natural_counts.sum()))
    set_prior_bias(head, phase.ledger.believed.clamp_min(floor).log().float())
