"""What strategies build for the batch loop is tried before training, on copies, and refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.context import Phase
from imbtk.errors import PluginError
from imbtk.plan import PlanItem, PlannedPhase
from imbtk.training.rehearsal import rehearse

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


def tried(*answers: dict[str, Any]) -> None:
    items = tuple(PlanItem(Made(what=what), None, "acme 1.2", f"made#{i}") for i, what in enumerate(answers))
    rehearse(PlannedPhase(Phase(0, 2, 5), items), CONTEXT)


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
            r"gives float instead of a loss per sample, unreduced, a tensor \(2,\)",
        ),
        ({"criterion": lambda logits, target: target}, r"gives float32 \(2, 3\) instead of a loss per sample"),
        ({"criterion": lambda logits, target: target.argmax(1)}, r"gives int64 \(2,\) instead of a loss per sample"),
        ({"criterion": lambda logits, target: logits.sum(1) / 0}, "values that are not finite from imbtk_criterion"),
        ({"adjust": lambda inner: lambda logits, target: inner(logits, target).sum()}, "from imbtk_adjust_criterion"),
        (
            {"augment": lambda images, target, draw: images[..., 1:]},
            r"float32 \(2, 3, 4, 3\) instead of images of the sh",
        ),
        (
            {"augment": lambda images, target, draw: (images * 255).byte()},
            r"gives uint8 \(2, 3, 4, 4\) instead of images",
        ),
        ({"mix": lambda images, target, draw: images}, r"returned Tensor instead of \(images, target\) from imbtk_mix"),
        ({"mix": lambda images, target, draw: (images, target[:, 0])}, "instead of targets of the shape given"),
        ({"mix": lambda images, target: (images, target)}, "failed in imbtk_mix: TypeError"),
    ],
)
def test_what_is_wrong_is_named(answer: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        tried({}, answer)
    assert str(caught.value).startswith("strategy 'made' (acme 1.2) ")


def test_a_criterion_that_asks_for_features_is_left_to_the_first_batch() -> None:
    def criterion(logits: Any, target: Any, *, features: torch.Tensor) -> Any:
        return features.sum(1)

    tried({"criterion": criterion}, {"adjust": lambda inner: lambda logits, target: inner(logits, target)})


def test_it_is_tried_on_copies() -> None:
    class Counts(Strategy):
        """Count calls."""

        @hookimpl
        def imbtk_criterion(self, context: RunContext) -> Any:
            self._calls = getattr(self, "_calls", 0) + 1
            return lambda logits, target: F.cross_entropy(logits, target, reduction="none")

    strategy = Counts()
    rehearse(PlannedPhase(Phase(0, 0, 1), (PlanItem(strategy, None, "acme", "counts"),)), CONTEXT)
    assert not hasattr(strategy, "_calls")
