"""Numbers that depend on what they are for, never on who drew before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from imbtk import Draw

POSITIONS = np.arange(20_000)


def test_a_half_of_a_batch_draws_its_half() -> None:
    whole = Draw(1, "a", 2, np.arange(10))
    half = Draw(1, "a", 2, np.arange(5, 10))
    for _ in range(2):
        assert torch.equal(whole.uniform(3)[5:], half.uniform(3))
        assert torch.equal(whole.normal(2)[5:], half.normal(2))
        assert torch.equal(whole.beta(0.4, 0.4, 2)[5:], half.beta(0.4, 0.4, 2))
        assert torch.equal(whole.gamma(0.4)[5:], half.gamma(0.4))


@pytest.mark.parametrize("other", [Draw(2, "a", 0, POSITIONS), Draw(1, "b", 0, POSITIONS), Draw(1, "a", 1, POSITIONS)])
def test_seed_name_and_epoch_each_give_other_numbers(other: Draw) -> None:
    ours = Draw(1, "a", 0, POSITIONS).uniform().numpy()[:, 0]
    theirs = other.at(other.epoch, POSITIONS).uniform().numpy()[:, 0]
    assert abs(stats.pearsonr(ours, theirs).statistic) < 0.03
    assert (ours == theirs).mean() < 0.01


def test_numbers_have_their_distributions() -> None:
    draw = Draw(0, "distribution", 0, POSITIONS)
    uniform = draw.uniform(4).numpy()
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 0.001
    assert np.abs(np.corrcoef(uniform.T) - np.eye(4)).max() < 0.03
    # neighbours are as independent as columns
    assert abs(np.corrcoef(uniform[1:, 0], uniform[:-1, 0])[0, 1]) < 0.03
    assert stats.kstest(draw.normal().numpy().ravel(), "norm").pvalue > 0.001
    assert stats.chisquare(draw.integers(7).flatten().bincount().numpy()).pvalue > 0.001
    for shape in (0.1, 1.0, 7.5):
        gamma = draw.gamma(shape).double().numpy().ravel()
        assert stats.kstest(gamma, stats.gamma(shape).cdf).pvalue > 0.001
    # Numbers of a beta distribution with small parameters lie at 0 and 1: compared where float32 can tell.
    for a, b in ((0.2, 0.2), (1.0, 1.0), (5.0, 1.0)):
        beta = draw.beta(a, b, 2).double().numpy()
        assert beta.shape == (20_000, 2)
        grid = np.linspace(0.01, 0.99, 50)
        assert np.abs((beta[..., None] <= grid).mean((0, 1)) - stats.beta(a, b).cdf(grid)).max() < 0.012
    ranged = draw.uniform(1, -3.0, 5.0)
    assert -3 <= float(ranged.min()) < -2.9
    assert 4.9 < float(ranged.max()) < 5


def test_generators_hang_on_the_key_alone() -> None:
    draw = Draw(0, "order")
    first = torch.randperm(50, generator=draw.at(3).generator())
    torch.manual_seed(1)
    assert torch.equal(first, torch.randperm(50, generator=draw.at(3).generator()))
    assert not torch.equal(first, torch.randperm(50, generator=draw.at(4).generator()))
    assert draw.numpy().integers(1 << 30) == Draw(0, "order").numpy().integers(1 << 30)


def test_without_positions_there_are_no_rows() -> None:
    with pytest.raises(ValueError, match="has no positions"):
        Draw(0, "a").uniform()


@pytest.mark.parametrize("draw", [lambda draw: draw.gamma(0.0), lambda draw: draw.beta(1.0, float("nan"))])
def test_parameters_of_a_distribution_are_above_zero(draw: Callable[[Draw], torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="needs parameters above 0, and got"):
        draw(Draw(0, "a", 0, POSITIONS))
