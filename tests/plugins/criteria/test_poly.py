"""The Poly-1 loss against its formula, its series, and cross-entropy."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk_plugins.criteria.poly import Poly

K = 4


def criterion(epsilon=1.0):
    counts = torch.tensor([1] * K)
    return Poly(epsilon=epsilon).imbtk_criterion(RunContext(tuple("abcd"), counts, counts, torch.arange(K)))


def batch(rows=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, K, generator=generator, dtype=torch.float64)
    labels = torch.randint(K, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, K).double()


@pytest.mark.parametrize("epsilon", [-1.0, -0.5, 1.0, 2.0])
def test_it_is_cross_entropy_and_a_multiple_of_what_the_right_class_lacks(epsilon):
    logits, labels, target = batch()
    p = softmax(logits.numpy(), axis=1)[range(64), labels.numpy()]
    expected = [-math.log(value) + epsilon * (1 - value) for value in p]
    assert criterion(epsilon)(logits, target).tolist() == pytest.approx(expected, rel=1e-9)


def test_it_changes_the_first_term_of_the_series_of_cross_entropy():
    logits = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    p = math.e / (math.e + 3)
    series = [(1 - p) ** j / j for j in range(1, 400)]
    found = criterion(1.5)(logits, torch.eye(4, dtype=torch.float64)[:1]).item()
    assert found == pytest.approx((1 + 1.5) * series[0] + sum(series[1:]), rel=1e-9)


def test_epsilon_zero_is_cross_entropy_also_on_mixed_targets():
    logits, _, hard = batch()
    for target in (hard, 0.7 * hard + 0.3 * hard.roll(1, dims=0)):
        torch.testing.assert_close(criterion(0.0)(logits, target), F.cross_entropy(logits, target, reduction="none"))


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 1), epsilon=st.floats(-1, 5), rows=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_mixed_target_has_the_mean_loss_and_classes_may_change_places(share, epsilon, rows, seed):
    logits, _, hard = batch(rows, seed)
    other, loss = hard.roll(1, dims=1), criterion(epsilon)
    mixed = share * hard + (1 - share) * other
    torch.testing.assert_close(loss(logits, mixed), share * loss(logits, hard) + (1 - share) * loss(logits, other))
    order = torch.randperm(K, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(loss(logits[:, order], mixed[:, order]), loss(logits, mixed))


def test_p_does_not_move_with_class_weights():
    """The trap of exp(-weighted CE): a weight multiplies the loss and nothing else."""
    logits, labels, target = batch()
    weights = torch.tensor([1.0, 10.0, 0.1, 3.0], dtype=torch.float64)
    weighted = (target @ weights) * criterion()(logits, target)
    plain = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(weighted, weights[labels] * (plain + 1 - (-plain).exp()))


@pytest.mark.parametrize("epsilon", [-1.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_are_finite(epsilon, dtype):
    logits = (3e4 * torch.cat([torch.eye(K), -torch.eye(K), torch.zeros(K, K)])).to(dtype).requires_grad_()
    loss = criterion(epsilon)(logits, torch.eye(K)[0].expand(12, -1).to(dtype))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


def test_an_epsilon_that_turns_the_loss_round_is_refused():
    with pytest.raises(OptionError, match=r"option 'epsilon' of strategy 'poly' .*greater than or equal to -1"):
        Poly(epsilon=-1.1)
