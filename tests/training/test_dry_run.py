"""What strategies build for the batch loop is tried before training, on copies, and refused by name."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.context import Phase
from imbtk.discovery.random_state import RandomStates
from imbtk.errors import PluginError, RandomStateError
from imbtk.planning.plan import PlanItem, PlannedPhase
from imbtk.training.dry_run import dry_run

COUNTS = torch.tensor([3, 0, 2])
CONTEXT = RunContext(
    ("a", "b", "c"), COUNTS, COUNTS, torch.tensor([0, 0, 0, 2, 2]), sample_shape=(3, 4, 4), phase=Phase(0, 2, 5)
)


class Made(Strategy):
    """Answer the hooks with what a test gives."""

    what: dict[str, Any] = option({}, "Answers by hook.")

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        return self.what.get("criterion")

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Any) -> Any:
        return self.what.get("adjust", lambda inner: inner)(criterion)

    @hookimpl
    def imbtk_augment(self, augment: Any) -> Any:
        return self.what.get("augment", augment)

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Any:
        return self.what.get("mix")


class Halves(torch.autograd.Function):
    """A function without a derivative."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.sum(1) / 2

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError("no way back")


def tried(*answers: dict[str, Any], width: int | None = None) -> None:
    items = tuple(PlanItem(Made(what=what), None, "acme 1.2", f"made#{i}") for i, what in enumerate(answers))
    dry_run(PlannedPhase(Phase(0, 2, 5), items), CONTEXT, width)


def test_what_is_sound_passes() -> None:
    seen: list[Any] = []

    def criterion(logits: Any, target: Any, *, rows: Any, epoch: int) -> Any:
        seen.append((tuple(logits.shape), target.argmax(1).tolist(), rows.tolist(), epoch))
        return F.cross_entropy(logits, target, reduction="none")

    def augment(images: Any, target: Any, draw: Any) -> Any:
        seen.append((tuple(images.shape), draw.name, draw.epoch, draw.positions.tolist()))
        return images.mul_(0.5)

    tried({"criterion": criterion, "augment": augment}, {"mix": lambda images, target, draw: (images, target)})
    # Only classes that have rows are targets; the criterion is tried with each adjustment of the chain.
    assert seen[0] == ((2, 3), [0, 2], [0, 1], 2)
    assert ((2, 3, 4, 4), "made#0", 2, [0, 1]) in seen


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"criterion": lambda logits, target: 3.0},
            r"gives float instead of a loss per sample, unreduced, \(2,\)",
        ),
        ({"criterion": lambda logits, target: target}, r"gives float32 \(2, 3\) instead of a loss per sample"),
        ({"criterion": lambda logits, target: target.argmax(1)}, r"gives int64 \(2,\) instead of a loss per sample"),
        ({"criterion": lambda logits, target: logits.sum(1) / 0}, "losses that are not finite from imbtk_criterion"),
        ({"adjust": lambda inner: lambda logits, target: inner(logits, target).sum()}, "from imbtk_adjust_criterion"),
        (
            {"augment": lambda images, target, draw: images[..., 1:]},
            r"float32 \(2, 3, 4, 3\) instead of images as they were given",
        ),
        (
            {"augment": lambda images, target, draw: (images * 255).byte()},
            r"gives uint8 \(2, 3, 4, 4\) instead of images",
        ),
        (
            {"mix": lambda images, target, draw: images},
            r"gives float32 \(2, 3, 4, 4\) instead of \(images, target\), from imbtk_mix",
        ),
        ({"mix": lambda images, target, draw: (images, target[:, 0])}, "instead of targets as they were given"),
        ({"mix": lambda images, target: (images, target)}, "failed in imbtk_mix: TypeError"),
        (
            {"criterion": lambda logits, target: F.cross_entropy(logits.detach(), target, reduction="none")},
            "a loss that has no gradient, so that nothing can be learnt from it, from imbtk_criterion",
        ),
        (
            {"criterion": lambda logits, target: Halves.apply(logits)},
            "failed in the gradient of the callable from imbtk_criterion: RuntimeError: no way back",
        ),
    ],
)
def test_what_is_wrong_is_named(answer: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        tried({}, answer)
    assert str(caught.value).startswith("strategy 'made' (acme 1.2) ")


def noisy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits + torch.rand(()), target, reduction="none")


def shuffled(images: torch.Tensor, target: torch.Tensor, draw: Any) -> Any:
    order = np.random.permutation(len(images))  # noqa: NPY002
    return images[order], target[order]


def sometimes(images: torch.Tensor, target: torch.Tensor, draw: Any) -> torch.Tensor:
    return images.flip(-1) if random.random() < 0.5 else images


@pytest.mark.parametrize(
    ("answer", "library", "hook"),
    [
        ({"criterion": noisy}, "torch", "imbtk_criterion"),
        ({"adjust": lambda inner: noisy}, "torch", "imbtk_adjust_criterion"),
        ({"augment": sometimes}, "Python", "imbtk_augment"),
        ({"mix": shuffled}, "NumPy", "imbtk_mix"),
    ],
)
def test_a_callable_that_draws_from_a_global_random_state_is_named(
    answer: dict[str, Any], library: str, hook: str
) -> None:
    states = RandomStates.now()
    with pytest.raises(RandomStateError) as caught:
        tried({}, answer)
    assert str(caught.value) == (
        f"strategy 'made' (acme 1.2) draws from or seeds the global random state of {library} in the callable from "
        f"{hook}. Numbers come from context.draw and from the draw that callables are given. Report it to its author, "
        "or run without 'made'."
    )
    assert not states.disturbed()


def test_a_criterion_that_asks_for_features_is_tried_when_their_width_is_known() -> None:
    seen: list[tuple[int, ...]] = []

    def criterion(logits: Any, target: Any, *, features: torch.Tensor) -> Any:
        seen.append(tuple(features.shape))
        return features.sum(1) / 0

    answers = {"criterion": criterion}, {"adjust": lambda inner: lambda logits, target: inner(logits, target)}
    tried(*answers)
    assert not seen
    with pytest.raises(PluginError, match=r"losses that are not finite from imbtk_criterion"):
        tried(*answers, width=5)
    assert seen == [(2, 5)]


def test_a_loss_of_features_alone_can_be_learnt_from() -> None:
    tried({"criterion": lambda logits, target, *, features: features.square().sum(1)}, width=5)


def test_with_features_a_strategy_makes_its_head_before_its_loss_is_tried() -> None:
    class Both(Strategy):
        """Make a head and look at it in the loss."""

        @hookimpl
        def imbtk_head(self, in_features: int, context: RunContext) -> torch.nn.Module:
            self._head = torch.nn.Linear(in_features, context.num_classes)
            return self._head

        @hookimpl
        def imbtk_criterion(self, context: RunContext) -> Any:
            return lambda logits, target, *, features: (self._head(features) * target).sum(1)

    states = RandomStates.now()
    dry_run(PlannedPhase(Phase(0, 0, 1), (PlanItem(Both(), None, "acme", "both"),)), CONTEXT, width=4)
    assert not states.disturbed()


def test_it_is_tried_on_copies() -> None:
    class Counts(Strategy):
        """Count calls."""

        @hookimpl
        def imbtk_criterion(self, context: RunContext) -> Any:
            self._calls = getattr(self, "_calls", 0) + 1
            return lambda logits, target: F.cross_entropy(logits, target, reduction="none")

    strategy = Counts()
    dry_run(PlannedPhase(Phase(0, 0, 1), (PlanItem(strategy, None, "acme", "counts"),)), CONTEXT)
    assert not hasattr(strategy, "_calls")
