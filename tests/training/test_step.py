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
from imbtk.errors import PluginError
from imbtk.models.heads import LinearHead
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.phases import BuiltPhase
from imbtk.training.config import TrainingConfig
from imbtk.training.step import Step, check_losses, take_step, trained_parameters, weighted_mean

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
) -> Step:
    optimizer = torch.optim.SGD(made.parameters(), lr=lr)
    return take_step(
        made.train(), optimizer, phase, X, TARGET, ROWS,
        parameters=trained_parameters(optimizer), weights=weights, config=TrainingConfig(seed=0, **settings),
    )  # fmt: skip


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
    taken = stepped(ours, phase_of(), weights, clip_norm=clip)
    expected = by_hand(theirs, torch.ones(2) if weights is None else weights, clip)
    assert taken.loss.item() == pytest.approx(expected)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    before = network()
    torch.testing.assert_close(taken.features, before.features(X))
    torch.testing.assert_close(taken.logits, before(X))
    torch.testing.assert_close(taken.losses, F.cross_entropy(before(X), TARGET, reduction="none"))


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
    taken = stepped(made, phase_of(Notes()), precision="bf16")
    assert Notes.seen[:2] == (torch.float32, torch.float32)
    assert {taken.loss.dtype, taken.losses.dtype, taken.logits.dtype} == {torch.float32}
    # Rounded on the way, as the full precision is not; weights stay float32.
    assert not torch.equal(taken.logits, full(X))
    torch.testing.assert_close(taken.logits, full(X), atol=0.05, rtol=0.05)
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float32}


def test_what_is_frozen_is_no_parameter_to_train_and_stays() -> None:
    made = network()
    made.freeze_backbone()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    assert [p.shape for p in trained_parameters(optimizer)] == [p.shape for p in made.head.parameters()]
    before = copy.deepcopy(made)
    stepped(made, phase_of())
    assert torch.equal(made.backbone.weight, before.backbone.weight)
    assert not torch.equal(made.head.weight, before.head.weight)


def test_the_mean_is_over_the_batch_and_not_over_the_weights() -> None:
    losses = torch.tensor([1.0, 2.0, 3.0])
    target = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert float(weighted_mean(losses, target, None)) == 2.0
    # 4·1, (4 + 1)/2·2 and 1·3, over three rows: targets that are shared share the weights.
    assert float(weighted_mean(losses, target, torch.tensor([4.0, 1.0]))) == pytest.approx((4 + 5 + 3) / 3)


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
