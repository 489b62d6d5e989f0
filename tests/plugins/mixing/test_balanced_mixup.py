"""Balanced mixup: shares, partners and targets against arithmetic, and what it goes together with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plugins.resumed import resumed_equals_uninterrupted
from scipy import stats

from imbtk import Draw, RunContext, Strategy, hookimpl
from imbtk.authoring.records import Batch
from imbtk.errors import ConflictError, OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.mixing.balanced_mixup import BalancedMixup

COUNTS = [60, 25, 0, 5]
RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [60, 30, 14])
IMAGES = (
    np.clip(RNG.normal(90, 30, size=(len(LABELS), 8, 8, 1)) + 50 * LABELS[:, None, None, None], 0, 255).astype(
        np.uint8
    ),
    np.array(["a", "b", "c"])[LABELS],
)
TABLE = ((RNG.normal(size=(len(LABELS), 4)) + LABELS[:, None]).astype(np.float32), IMAGES[1])


def context(counts: list[int]) -> RunContext:
    tensor = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), tensor)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), tensor, tensor, labels)


def batch_of(inputs: torch.Tensor, labels: torch.Tensor, classes: int) -> Batch:
    target = torch.nn.functional.one_hot(labels, classes).float()
    return Batch(inputs, target, torch.arange(len(labels)), labels)


def mixed(shape: tuple[int, ...], size: int, alpha: float = 0.2) -> tuple[torch.Tensor, ...]:
    """Return samples of zeros mixed with partners of ones, and targets: what is not 0 is the partner's share."""
    own = batch_of(torch.zeros(size, *shape), torch.zeros(size, dtype=torch.int64), 2)
    partner = batch_of(torch.ones(size, *shape), torch.ones(size, dtype=torch.int64), 2)
    mix: Any = BalancedMixup(alpha=alpha).imbtk_mix(context([3, 3]))
    samples, target = mix(own.inputs, own.target, Draw(0, "balanced-mixup", 1, np.arange(size)), partner=partner)
    assert not own.inputs.any()
    assert torch.equal(own.target[:, 0], torch.ones(size))
    return samples, target


@pytest.mark.parametrize("shape", [(2, 3, 3), (5,)])
def test_samples_and_targets_are_mixed_by_one_share_for_each_row(shape: tuple[int, ...]) -> None:
    samples, target = mixed(shape, 64)
    share = target[:, 1]
    assert len(share.unique()) > 50
    torch.testing.assert_close(samples, share.reshape(-1, *[1] * len(shape)).expand_as(samples))
    torch.testing.assert_close(target.sum(1), torch.ones(64))


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.3, 1.0])
def test_shares_are_beta_of_alpha_and_one(alpha: float) -> None:
    share = mixed((1,), 4000, alpha)[1][:, 1].double().numpy()
    assert stats.kstest(share, stats.beta(alpha, 1).cdf).pvalue > 1e-3
    assert share.mean() == pytest.approx(alpha / (1 + alpha), abs=4 * share.std() / 4000**0.5)


def test_a_row_of_numbers_on_paper() -> None:
    mix: Any = BalancedMixup().imbtk_mix(context([3, 3, 3]))

    class Quarter:
        def beta(self, a: float, b: float) -> torch.Tensor:
            assert (a, b) == (0.2, 1.0)
            return torch.tensor([[0.25]])

    partner = batch_of(torch.tensor([[8.0, -4.0]]), torch.tensor([2]), 3)
    samples, target = mix(torch.tensor([[4.0, 0.0]]), torch.tensor([[0.5, 0.5, 0.0]]), Quarter(), partner=partner)
    assert samples.tolist() == [[5.0, -1.0]]
    assert target.tolist() == [[0.375, 0.375, 0.25]]


def test_partners_are_of_each_class_equally_often_and_rows_of_a_class_alike() -> None:
    told = context(COUNTS)
    choose: Any = BalancedMixup().imbtk_partner(told)
    order = torch.arange(90)
    chosen = torch.cat([choose(epoch, order, Draw(0, "partner", epoch)) for epoch in range(400)])
    shown = torch.bincount(chosen, minlength=90).double()
    by_class = torch.zeros(4, dtype=torch.float64).index_add(0, told.labels, shown)
    assert by_class[2] == 0
    assert stats.chisquare(by_class[[0, 1, 3]].numpy()).pvalue > 1e-3
    for k in (0, 1, 3):
        assert stats.chisquare(shown[told.labels == k].numpy()).pvalue > 1e-3
    assert choose(0, order[:7], Draw(0, "partner", 0)).shape == (7,)


def test_alpha_must_be_above_zero() -> None:
    with pytest.raises(OptionError, match="option 'alpha' of strategy 'balanced-mixup'"):
        BalancedMixup(alpha=0.0)


def test_two_strategies_cannot_both_mix() -> None:
    with pytest.raises(ConflictError, match="the choice of mix is claimed by 'balanced-mixup'"):
        prepare(make_config({"model": "mlp", "device": "cpu"}), TABLE, [BalancedMixup(), Swap()])


def test_it_learns_alone_and_the_ledger_does_not_pretend_to_know_what() -> None:
    config = make_config({"model": "mlp", "epochs": 3, "batch_size": 16, "device": "cpu"})
    prepared = prepare(config, TABLE, ["balanced-mixup"])
    phase = prepared.plan.phases[0]
    assert not phase.exact
    assert phase.ledger.effective is None
    history = fit(prepared, make_network(prepared)).history
    assert history[-1]["train_loss"] < history[0]["train_loss"]


class Swap(Strategy):
    """Mix nothing."""

    @hookimpl
    def imbtk_mix(self) -> Any:
        return lambda samples, target, draw: (samples, target)


class Branches(Strategy):
    """Two branches, the second on rows of rare classes, as in bilateral-branch networks."""

    @hookimpl
    def imbtk_network(self, network: Any) -> None:
        network.branch(2)

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Any:
        weights = (1.0 / context.class_counts.double().clamp(min=1) ** 2)[context.labels]
        return lambda epoch, order, draw: torch.multinomial(weights, len(order), True, generator=draw.generator())

    @hookimpl
    def imbtk_objective(self, objective: Any, context: RunContext) -> Any:
        def bbn(outputs: Any, batch: Any, *, partner: Any, network: Any) -> torch.Tensor:
            # A partner is never mixed, and it is this strategy's own.
            assert torch.equal(partner.target.argmax(1), partner.labels)
            assert bool((partner.target.max(1).values == 1).all())
            seen.append(float(batch.target.max(1).values.min()))
            other = network(partner.inputs, outputs=True)
            share = 1 - (batch.epoch / context.epochs) ** 2
            both = outputs.but(logits=share * outputs.experts[0] + (1 - share) * other.experts[1])
            loss: torch.Tensor = share * objective(both, batch) + (1 - share) * objective(both, partner)
            return loss

        return bbn


seen: list[float] = []


@pytest.mark.parametrize("data", [IMAGES, TABLE])
def test_it_trains_and_resumes_beside_an_objective_with_a_partner_of_its_own(data: Any) -> None:
    seen.clear()
    model = "small-cnn" if data is IMAGES else "mlp"
    plan = [Branches(), BalancedMixup(), "class-weights:scheme=sqrt"]
    assert resumed_equals_uninterrupted(plan, data=data, model=model, batch_size=16)
    assert min(seen) < 0.9  # the batch it judges is mixed
