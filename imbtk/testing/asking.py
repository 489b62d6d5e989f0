"""Hooks of a strategy in a situation, called as core calls them."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from imbtk.authoring.context import Phase
from imbtk.authoring.options import Window
from imbtk.authoring.strategy import Strategy
from imbtk.errors import ImbtkError, RandomStateError
from imbtk.planning.dispatch import BatchState, Dispatcher, bind
from imbtk.planning.plan import PlanItem
from imbtk.testing.registry import CheckFailure
from imbtk.testing.situations import Situation, SpyDraw

__all__ = ["OBSERVING", "Asking"]

OBSERVING = ("imbtk_run_start", "imbtk_epoch_end", "imbtk_run_end", "imbtk_report")


class Asking:
    """A copy of a strategy, the material of one situation, and a draw; see :class:`~imbtk.testing.bench.Bench`."""

    def __init__(
        self,
        strategy: Strategy,
        situation: Situation,
        seed: int = 0,
        strict: bool = False,
        permutation: torch.Tensor | None = None,
    ) -> None:
        self.strategy, self.situation, self.strict = copy.deepcopy(strategy), situation, strict
        self.permutation = torch.arange(situation.num_classes) if permutation is None else permutation
        self.draw = SpyDraw(seed)
        self.dataset = situation.dataset()
        self.seen: list[torch.Tensor] = []
        self.rows = situation.rows(self.dataset, self.seen)
        self.context = situation.context(self.draw)
        self.state = BatchState()
        self.disturbed = ""
        if permutation is not None:
            self._permute(torch.argsort(permutation))
        self.item = PlanItem(self.strategy, self._window(), "under test", strategy.name)
        self.dispatcher = Dispatcher([self.item])
        start = self.item.during(self.context.epochs).start
        self.context = dataclasses.replace(self.context, phase=Phase(0, start, self.context.epochs))

    def _permute(self, places: torch.Tensor) -> None:
        """Give class k the number ``places[k]``; rows stay where they are."""
        context, taken = self.context, self.permutation
        self.rows = dataclasses.replace(self.rows, labels=places[self.rows.labels])
        self.context = dataclasses.replace(
            context,
            class_names=tuple(context.class_names[int(k)] for k in taken),
            class_counts=context.class_counts[taken],
            natural_counts=context.natural_counts[taken],
            labels=places[context.labels],
            positive=None if context.positive is None else int(places[context.positive]),
        )

    def _window(self) -> Window | None:
        """Return None, all epochs; the last ones for a strategy that refuses to be on from the first."""
        later = Window(start=self.context.epochs // 2)
        for window in (None, later):
            item = PlanItem(copy.deepcopy(self.strategy), window, "under test", self.strategy.name)
            told = dataclasses.replace(self.context, window=item.during(self.context.epochs))
            with contextlib.suppress(ImbtkError):
                item.strategy.check_run(told)
                return window
        return None

    def check_run(self) -> None:
        """Let the strategy refuse the run, as core does once rows are split."""
        self.strategy.check_run(dataclasses.replace(self.context, window=self.item.during(self.context.epochs)))

    def _ask(self, hook: str, call: Callable[[], Any]) -> Any:
        """Return what a call of the hook gives; None where the strategy refuses the run, as it may before training."""
        try:
            if hook != "imbtk_split" and hook not in OBSERVING:
                self.check_run()
            return call()
        except RandomStateError as error:
            self.disturbed = error.library
        except ImbtkError:
            if self.strict:
                raise
        return None

    def _choose(self, hook: str, **arguments: Any) -> Any:
        found = self._ask(hook, lambda: self.dispatcher.choice(hook, **arguments))
        return None if found is None else found[0]

    def _fold(self, hook: str, argument: str, value: Any, **others: Any) -> Any:
        """Return the link that the strategy makes; None also where it does not answer."""
        if not self.dispatcher.answering(hook):
            return None
        answers: list[Any] = []

        def call() -> Any:
            made = self.dispatcher.chain(hook, argument, value, lambda made, item: made, **others)
            answers.append(made)
            return made

        result = self._ask(hook, call)
        if answers and answers[0] is None and hook not in OBSERVING:
            raise CheckFailure(
                f"{hook} returned None with {self.situation}",
                f"A chain goes on with what the hook returns: return '{argument}' itself where nothing shall change.",
            )
        return result

    def _bound(self, function: Any, hook: str) -> Callable[..., Any]:
        return bind(function, self.item, hook, self.state)
