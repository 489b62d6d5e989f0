"""One step of training, beside the same step written by hand."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imbtk import Strategy, hookimpl
from imbtk.authoring.records import Batch, Outputs
from imbtk.authoring.weights import ascend
from imbtk.errors import PluginError
from imbtk.models.heads import LinearHead
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.phases import BuiltPhase
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner, check_losses, weighted_criterion
from imbtk.training.step import take_step, trained_parameters

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
TARGET = F.one_hot(torch.tensor([0, 0, 0, 0, 1, 1]), 2).float()
ROWS = torch.tensor([40, 3, 7, 11, 2, 30])


class Notes(Strategy):
    """Cross-entropy that writes down what it is given."""

    seen: Any = None

    @hookimpl
    def imbtk_criterion(self) -> Any:
        def loss(logits: torch.Tensor, target: torch.Tensor, *, features: torch.Tensor, rows: torch.Tensor) -> Any:
            type(self).seen = (logits.dtype, features.dtype, features.detach().clone(), rows)
            return F.cross_entropy(logits, target, reduction="none")

        return loss


def phase_of(*strategies: Strategy) -> BuiltPhase:
    data = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3 // 2
    return prepare(make_config({"epochs": 1, "model": "linear"}), data, list(strategies)).plan.phases[0]


def network() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(torch.nn.Linear(3, 4), LinearHead(4, 2), (3,))


def stepped(
    made: Network, phase: BuiltPhase, weights: torch.Tensor | None = None, lr: float = 0.1, **settings: Any
) -> tuple[torch.Tensor, torch.Tensor, Outputs]:
    phase = dataclasses.replace(phase, weights=weights)
    learner, optimizer = Learner(made.train(), phase), torch.optim.SGD(made.parameters(), lr=lr)
    batch = Batch(X, TARGET, ROWS, TARGET.argmax(1))
    loss, losses = take_step(
        learner, learner, optimizer, batch, trained_parameters(optimizer), TrainingConfig(seed=0, **settings)
    )
    assert phase.state.outputs is not None
    return loss, losses, phase.state.outputs


def by_hand(made: Network, weights: torch.Tensor, clip: float | None = None) -> float:
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    losses = F.cross_entropy(made(X), TARGET.argmax(1), reduction="none")
    loss = (losses * weights[TARGET.argmax(1)]).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(made.parameters(), clip)
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize(("weights", "clip"), [(None, None), (torch.tensor([0.5, 2.0]), None), (None, 0.01)])
def test_a_step_is_the_one_written_by_hand(weights: torch.Tensor | None, clip: float | None) -> None:
    ours, theirs = network(), network()
    loss, losses, outputs = stepped(ours, phase_of(), weights, clip_norm=clip)
    each = torch.ones(2) if weights is None else weights
    assert loss.item() == pytest.approx(by_hand(theirs, each, clip))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    before = network()
    torch.testing.assert_close(outputs.features, before.features(X))
    torch.testing.assert_close(outputs.logits, before(X))
    torch.testing.assert_close(losses, F.cross_entropy(before(X), TARGET, reduction="none") * (TARGET @ each))


def test_gradients_of_the_step_before_count_nothing() -> None:
    ours, theirs = network(), network()
    for parameter in ours.parameters():
        parameter.grad = torch.full_like(parameter, 100.0)
    stepped(ours, phase_of())
    stepped(theirs, phase_of())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_criterion_is_given_features_and_rows_of_its_batch() -> None:
    made = network()
    expected = made.features(X).detach()
    stepped(made, phase_of(Notes()))
    _, _, features, rows = Notes.seen
    torch.testing.assert_close(features, expected)
    assert torch.equal(rows, ROWS)


def test_half_precision_ends_before_the_loss() -> None:
    made, full = network(), network()
    made.bf16 = True
    loss, losses, outputs = stepped(made, phase_of(Notes()))
    assert Notes.seen[:2] == (torch.float32, torch.float32)
    assert {loss.dtype, losses.dtype, outputs.logits.dtype} == {torch.float32}
    # Rounded on the way, as the full precision is not; weights stay float32, and what predicts is at full precision.
    assert not torch.equal(outputs.logits, full(X))
    torch.testing.assert_close(outputs.logits, full(X), atol=0.05, rtol=0.05)
    assert torch.equal(made.eval()(X), copy.deepcopy(made).eval()(X))
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float32}


def test_what_is_frozen_is_no_parameter_to_train_and_stays() -> None:
    made = network()
    made.freeze("backbone")
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    assert [p.shape for p in trained_parameters(optimizer)] == [p.shape for p in made.head.parameters()]
    before = copy.deepcopy(made)
    stepped(made, phase_of())
    assert torch.equal(made.backbone.weight, before.backbone.weight)
    assert not torch.equal(made.head.weight, before.head.weight)


def test_the_mean_is_over_the_batch_and_not_over_the_weights() -> None:
    losses = torch.tensor([1.0, 2.0, 3.0])
    target = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    fixed = dataclasses.replace(phase_of(), criterion=lambda logits, target: losses)
    batch, outputs = Batch(X[:3], target, ROWS[:3], target.argmax(1)), Outputs(torch.zeros(3, 2))
    assert weighted_criterion(fixed)(outputs, batch).mean() == 2.0
    # 4·1, (4 + 1)/2·2 and 1·3, over three rows: targets that are shared share the weights.
    weighted = weighted_criterion(dataclasses.replace(fixed, weights=torch.tensor([4.0, 1.0])))
    assert float(weighted(outputs, batch).mean()) == pytest.approx((4 + 5 + 3) / 3)
    # A stream that shows classes in other shares has a scale of its own.
    assert float(weighted(outputs, batch.but(scale=0.5)).mean()) == pytest.approx((4 + 5 + 3) / 6)


@pytest.mark.parametrize(
    ("losses", "said"),
    [(torch.tensor(1.0), r"\(\) for"), (torch.ones(6, 2), r"\(6, 2\) for"), (2.0, "float for")],
)
def test_a_criterion_that_reduces_or_reshapes_is_refused_by_name(losses: Any, said: str) -> None:
    phase = phase_of(Notes())
    with pytest.raises(PluginError, match=rf"the plan makes \('notes' \(.*\)\) returned {said} a batch of 6: it must"):
        check_losses(losses, torch.zeros(6, 2), phase)
    broken = dataclasses.replace(phase, criterion=lambda logits, target: losses)
    made = network()
    before = copy.deepcopy(made.state_dict())
    with pytest.raises(PluginError, match=r"one loss for each sample, shape \(6,\), unreduced"):
        stepped(made, broken)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


class Looks(Strategy):
    """Look at the loss a second time, at other weights."""

    @hookimpl
    def imbtk_step(self, step: Any) -> Any:
        def twice(optimizer: torch.optim.Optimizer, closure: Any) -> torch.Tensor:
            def at_both() -> torch.Tensor:
                loss: torch.Tensor = closure()
                moved = ascend(optimizer, 0.5)
                try:
                    closure()
                finally:
                    moved.back()
                return loss

            found: torch.Tensor = step(optimizer, at_both)
            return found

        return twice


def test_a_second_look_leaves_no_trace_in_buffers_and_moves_by_its_gradient() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        once = Network(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)), LinearHead(4, 2), (3,))
    twice, by_hand = copy.deepcopy(once), copy.deepcopy(once)
    loss, *_ = stepped(once, phase_of())
    at_first, *_ = stepped(twice, phase_of(Looks()))
    assert at_first == loss
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(getattr(twice.backbone[1], name), getattr(once.backbone[1], name))
    # By hand: the gradient at w + 0.5 g/|g|, taken from w.
    parameters = list(by_hand.train().parameters())
    start = [p.detach().clone() for p in parameters]
    F.cross_entropy(by_hand(X), TARGET).backward()  # type: ignore[no-untyped-call]
    norm = torch.cat([p.grad.flatten() for p in parameters]).norm()  # type: ignore[union-attr]
    with torch.no_grad():
        for p in parameters:
            p += 0.5 * p.grad / norm  # type: ignore[operator]
    by_hand.zero_grad()
    F.cross_entropy(by_hand(X), TARGET).backward()  # type: ignore[no-untyped-call]
    for p, w, got in zip(parameters, start, twice.parameters(), strict=True):
        torch.testing.assert_close(got.detach(), w - 0.1 * p.grad)  # type: ignore[operator]


class Counts(Strategy):
    """Count the rows of each class that were judged, in a tensor and in a buffer of a module."""

    @hookimpl
    def imbtk_criterion(self) -> Any:
        self._seen = torch.zeros(2)
        kept = self.keep("kept", lambda: torch.nn.BatchNorm1d(2))

        def counting(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            self._seen += target.sum(0)
            kept.num_batches_tracked.add_(1)
            return F.cross_entropy(logits, target, reduction="none")

        return counting


def test_a_second_look_counts_no_row_twice() -> None:
    phase = phase_of(Counts(), Looks())
    stepped(network(), phase)
    counts = phase.planned.items[0].strategy
    assert counts.state_dict()["_seen"].tolist() == [4, 2]
    assert int(counts.modules()["kept"].num_batches_tracked) == 1


class Never(Strategy):
    """Take no step at all."""

    @hookimpl
    def imbtk_step(self, step: Any) -> Any:
        return lambda optimizer, closure: torch.zeros(())


def test_a_step_that_looks_at_nothing_is_refused() -> None:
    with pytest.raises(PluginError, match="never called its closure"):
        stepped(network(), phase_of(Never()))


@pytest.mark.parametrize("parts", [2, 4, 6, 9])
def test_parts_of_a_batch_add_up_to_the_whole(parts: int) -> None:
    whole, cut = network(), network()
    weights = torch.tensor([0.5, 2.0])
    loss, losses, _ = stepped(whole, phase_of(), weights, clip_norm=0.3)
    in_parts, each, _ = stepped(cut, phase_of(), weights, clip_norm=0.3, accumulate=parts)
    torch.testing.assert_close(in_parts, loss, rtol=0, atol=1e-6)
    torch.testing.assert_close(each, losses.detach())
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(cut.state_dict()[name], value, rtol=0, atol=1e-6)
