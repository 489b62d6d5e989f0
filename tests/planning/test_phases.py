"""What the hooks of a phase become."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from imbtk import EpochOrder, Phase, Rows, RunContext, Strategy, hookimpl, option
from imbtk.authoring.draw import Draw
from imbtk.errors import PluginError
from imbtk.planning.phases import BuiltPhase, build_phase, cross_entropy
from imbtk.planning.plan import PlanItem, PlannedPhase

LABELS = torch.tensor([0] * 8 + [1] * 4)
X = torch.arange(24.0).reshape(12, 2)


def rows() -> Rows:
    return Rows(
        indices=torch.arange(100, 112),
        labels=LABELS,
        features_of=lambda indices: X[indices - 100].numpy(),
        synthetic=torch.empty((0, 2)),
        synthetic_labels=torch.empty(0, dtype=torch.int64),
        scale=(np.zeros(2, np.float32), np.ones(2, np.float32)),
    )


def build(*strategies: Strategy, kind: Any = "table", batch_size: int = 5, epochs: int = 3) -> BuiltPhase:
    counts = torch.tensor([8, 4])
    base = RunContext(("a", "b"), counts, counts, LABELS, kind=kind, sample_shape=(2,), draw=Draw(0, ""))
    base = dataclasses.replace(base, groups=torch.arange(200), batch_size=batch_size)
    items = tuple(PlanItem(s, None, "acme 1.0", f"{s.name}#{i}") for i, s in enumerate(strategies))
    return build_phase(PlannedPhase(Phase(0, 0, epochs), items), rows(), base)


class Any_(Strategy):
    """Answer whatever hook a test wants."""

    name = "any"
    resample: Callable[..., Any] | None = option(None, "")
    order: Any = option(None, "")
    weights: Any = option(None, "")
    augment: Callable[..., Any] | None = option(None, "")

    @hookimpl
    def imbtk_resample(self, rows: Rows, context: RunContext) -> Any:
        return rows if self.resample is None else self.resample(rows)

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> Any:
        return self.order

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> Any:
        return self.weights

    @hookimpl
    def imbtk_augment(self, augment: Any, context: RunContext) -> Any:
        if self.augment is None:
            return augment
        own = self.augment
        return lambda images, target, draw: own(augment(images, target, draw), draw)


def test_nothing_is_a_permutation_and_cross_entropy() -> None:
    phase = build()
    assert sorted(phase.order(0).tolist()) == list(range(12))
    assert not torch.equal(phase.order(0), phase.order(1))
    assert torch.equal(phase.order(1), build().order(1))
    assert phase.criterion is cross_entropy
    assert (phase.weights, phase.augment, phase.mix) == (None, None, None)
    assert phase.steps == 3
    assert torch.equal(phase.indices, torch.arange(100, 112))


@pytest.mark.parametrize(("rows", "size", "steps"), [(11, 5, 2), (12, 5, 3), (10, 5, 2), (1, 5, 1), (11, 1, 11)])
def test_hooks_are_told_the_steps_that_are_run(rows: int, size: int, steps: int) -> None:
    told: list[int] = []

    class Asks(Strategy):
        """Ask for the steps of an epoch."""

        @hookimpl
        def imbtk_criterion(self, context: RunContext) -> None:
            told.append(context.steps_per_epoch)

    phase = build(Any_(resample=lambda given: given.take(torch.arange(rows))), Asks(), batch_size=size)
    assert (phase.order_length, phase.steps, set(told)) == (rows, steps, {steps})
    # By counting batches: a last one of a single row is left out, since batch norm cannot learn from it.
    sizes = [len(part) for part in torch.split(phase.order(0), size)]
    assert steps == len(sizes) - (len(sizes) > 1 and sizes[-1] == 1 and size > 1)


@pytest.mark.parametrize("mass", [None, torch.tensor([0.5, 0.5])])
def test_an_order_that_shrinks_is_refused_before_training(mass: torch.Tensor | None) -> None:
    order = EpochOrder(lambda epoch, draw: torch.arange(12 - epoch), mass)
    with pytest.raises(PluginError, match=r"'any' \(acme 1.0\) returned an order of 12 rows in epoch 1 and 11 rows in"):
        build(Any_(order=order))


def test_an_order_that_shrinks_in_the_middle_is_refused_there() -> None:
    order = EpochOrder(lambda epoch, draw: torch.arange(9 if epoch == 2 else 12), torch.tensor([0.5, 0.5]))
    phase = build(Any_(order=order), epochs=5)
    assert [len(phase.order(epoch)) for epoch in (0, 1, 3)] == [12, 12, 12]
    with pytest.raises(PluginError, match="12 rows in epoch 1 and 9 rows in epoch 3"):
        phase.order(2)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_weights_have_mean_one_over_the_rows_as_drawn(scale: float) -> None:
    order = EpochOrder(lambda epoch, draw: torch.arange(12), torch.tensor([0.25, 0.75], dtype=torch.float64))
    phase = build(Any_(weights=scale * torch.tensor([1.0, 3.0]), order=order))
    assert phase.weights is not None
    assert float(0.25 * phase.weights[0] + 0.75 * phase.weights[1]) == pytest.approx(1.0)
    assert float(phase.weights[1] / phase.weights[0]) == pytest.approx(3.0)


def test_the_mass_of_an_order_is_learnt_from_many_draws() -> None:
    def order(epoch: int, draw: Draw) -> torch.Tensor:
        return torch.multinomial(torch.tensor([1.0] * 8 + [2.0] * 4), 40, replacement=True, generator=draw.generator())

    assert float(build(Any_(order=order)).ledger.ordered[1]) == pytest.approx(0.5, abs=0.04)


def test_the_mass_of_an_order_is_that_of_the_epochs_there_will_be() -> None:
    def order(epoch: int, draw: Draw) -> torch.Tensor:
        return torch.tensor([0, 0, 0, 0] if epoch == 0 else [0, 8, 8, 8])

    # By hand: epochs 0, 1 and 2 have 0, 3/4 and 3/4 of class 1.
    assert float(build(Any_(order=order)).ledger.ordered[1]) == pytest.approx(0.5, abs=0.01)


def test_an_order_whose_epochs_differ_leaves_the_ledger_a_guess() -> None:
    mass = torch.tensor([0.25, 0.75], dtype=torch.float64)
    for steady in (True, False):
        phase = build(Any_(order=EpochOrder(lambda epoch, draw: torch.arange(12), mass, steady)))
        assert phase.exact == steady
        assert (phase.ledger.effective is not None) == steady
        assert phase.ledger.believed.tolist() == [0.25, 0.75]
        assert phase.context.effective_prior is phase.ledger.effective


def test_hooks_are_told_which_rows_these_are() -> None:
    made = np.array([[7.0, 7.0]], np.float32)
    phase = build(Any_(resample=lambda rows: rows.take(torch.tensor([0, 9, 9])).with_synthetic(made, np.array([1]))))
    assert phase.context.rows is not None
    assert phase.context.rows.tolist() == phase.indices.tolist() == [100, 109, 109, -1]


def test_hooks_after_the_order_are_told_its_mass() -> None:
    told = {}

    class Asks(Strategy):
        """Notes what its hooks are told."""

        @hookimpl
        def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
            told["order"] = context.class_mass
            mass = torch.tensor([0.25, 0.75], dtype=torch.float64)
            return EpochOrder(lambda epoch, draw: torch.arange(12), mass)

        @hookimpl
        def imbtk_criterion(self, context: RunContext) -> Any:
            told["criterion"] = context.class_mass

    assert build(Asks()).context.class_mass is told["criterion"]
    assert told["order"] is None
    assert told["criterion"].tolist() == [0.25, 0.75]
    assert build().context.class_mass.tolist() == pytest.approx([8 / 12, 4 / 12])  # type: ignore[union-attr]


def test_resampling_is_seen_by_what_comes_later() -> None:
    phase = build(Any_(resample=lambda rows: rows.take(torch.tensor([0, 8, 9, 9]))))
    assert phase.context.class_counts.tolist() == [1, 3]
    assert phase.context.natural_counts.tolist() == [8, 4]
    assert phase.indices.tolist() == [100, 108, 109, 109]
    assert phase.context.groups is not None
    assert phase.context.groups.tolist() == [100, 108, 109, 109]
    assert phase.ledger.resampled.tolist() == [0.25, 0.75]


def test_synthetic_rows_come_last_and_have_no_row() -> None:
    made = np.array([[7.0, 7.0]], np.float32)
    phase = build(Any_(resample=lambda rows: rows.with_synthetic(made, np.array([1]))))
    assert phase.indices[-1] == -1
    assert phase.labels.tolist() == [*LABELS.tolist(), 1]
    assert torch.equal(phase.synthetic, torch.from_numpy(made))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"resample": lambda rows: rows.indices}, "table", r"returned int64 \(12,\), not Rows, from imbtk_resample"),
        ({"resample": lambda rows: rows.take(torch.tensor([], dtype=torch.int64))}, "table", "no rows at all"),
        (
            {"resample": lambda rows: rows.with_synthetic(np.ones((1, 2), np.float32), np.array([1]))},
            "images",
            "synthetic rows for images",
        ),
        (
            {"order": lambda epoch, draw: torch.ones(3)},
            "table",
            r"returned float32 \(3,\) as an order instead of int64 \(M,\)",
        ),
        ({"order": lambda epoch, draw: torch.tensor([0, 12])}, "table", r"positions outside \[0, 12\)"),
        (
            {"order": EpochOrder(lambda epoch, draw: torch.arange(3), torch.tensor([0.9, 0.9]))},
            "table",
            "class_mass that is no",
        ),
        ({"weights": torch.tensor([1.0, 0.0])}, "table", "a weight for class 'b' that is not finite and positive"),
    ],
)
def test_what_a_hook_gets_wrong_is_named(options: dict[str, Any], kind: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        build(Any_(**options), kind=kind)


def test_augmentations_go_in_order_each_with_its_own_numbers() -> None:
    seen: list[tuple[str, float]] = []

    def noting(factor: float, plus: float) -> Callable[..., torch.Tensor]:
        def change(images: torch.Tensor, draw: Draw) -> torch.Tensor:
            seen.append((draw.name, float(draw.uniform()[0, 0])))
            return images * factor + plus

        return change

    draw = Draw(0, "", 0, np.arange(1))
    images, target = torch.ones(1, 1, 2, 2), torch.ones(1, 2)
    both = build(Any_(augment=noting(2, 1)), Any_(augment=noting(10, 0))).augment
    assert both is not None
    assert float(both(images, target, draw)[0, 0, 0, 0]) == 30.0
    assert [name for name, _ in seen] == ["any#0", "any#1"]
    first_numbers = seen[0]
    seen.clear()
    alone = build(Any_(augment=noting(2, 1))).augment
    assert alone is not None
    alone(images, target, draw)
    assert seen == [first_numbers]


class Noisy(Strategy):
    """Ask for random numbers."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Any, context: RunContext) -> Any:
        return lambda logits, target, *, draw: criterion(logits + draw.uniform(2), target)


class Shifted(Strategy):
    """Ask for nothing."""

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Any, context: RunContext) -> Any:
        return lambda logits, target: criterion(logits + 1, target)


@pytest.mark.parametrize("chain", [(Noisy(), Shifted()), (Shifted(), Noisy()), (Shifted(), Noisy(), Shifted())])
def test_what_one_link_of_a_chain_asks_for_the_criterion_asks_for(chain: tuple[Strategy, ...]) -> None:
    phase = build(*chain)
    assert phase.criterion.wanted == {"draw"}  # type: ignore[attr-defined]
    assert phase.ledger.effective is None
    assert not phase.exact
