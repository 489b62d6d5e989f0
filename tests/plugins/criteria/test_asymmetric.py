"""The asymmetric loss for one label against its formula, label smoothing, the focal loss and its reference code."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk_plugins.criteria.asymmetric import Asymmetric
from imbtk_plugins.criteria.focal_loss import FocalLoss

K = 4


def context():
    counts = torch.tensor([1] * K)
    return RunContext(tuple("abcd"), counts, counts, torch.arange(K))


def criterion(**options):
    return Asymmetric(**options).imbtk_criterion(context())


def batch(rows=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, K, generator=generator, dtype=torch.float64)
    labels = torch.randint(K, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, K).double()


@pytest.mark.parametrize(("gamma_neg", "gamma_pos", "epsilon"), [(4.0, 0.0, 0.1), (2.0, 1.0, 0.3), (0.5, 0.5, 0.0)])
def test_it_is_the_formula(gamma_neg, gamma_pos, epsilon):
    logits, labels, target = batch()
    found = criterion(gamma_neg=gamma_neg, gamma_pos=gamma_pos, epsilon=epsilon)(logits, target).tolist()
    for z, y, loss in zip(logits.tolist(), labels.tolist(), found, strict=True):
        p = [math.exp(v) / sum(math.exp(w) for w in z) for v in z]
        expected = -(1 - epsilon + epsilon / K) * (1 - p[y]) ** gamma_pos * math.log(p[y])
        expected -= epsilon / K * sum(p[k] ** gamma_neg * math.log(p[k]) for k in range(K) if k != y)
        assert loss == pytest.approx(expected, rel=1e-9)


def test_it_is_the_reference_code():
    """Values that ``ASLSingleLabel`` with its defaults gave for these logits, in float64."""
    logits = torch.tensor([[2.0, -1.0, 0.5, 0.0], [0.0, 3.0, -2.0, 1.0]], dtype=torch.float64)
    found = criterion()(logits, torch.eye(K, dtype=torch.float64)[[0, 3]])
    assert found.tolist() == pytest.approx([0.31670751739264913, 2.0145264238289684], rel=1e-12)


def test_without_exponents_it_is_label_smoothing():
    logits, labels, target = batch()
    expected = F.cross_entropy(logits, labels, reduction="none", label_smoothing=0.2)
    torch.testing.assert_close(criterion(gamma_neg=0, gamma_pos=0, epsilon=0.2)(logits, target), expected)


def test_without_smoothing_it_is_the_focal_loss_whatever_wrong_classes_weigh():
    logits, _, hard = batch()
    for target in (hard, 0.7 * hard + 0.3 * hard.roll(1, dims=1)):
        expected = FocalLoss(gamma=1.5).imbtk_criterion(context())(logits, target)
        for gamma_neg in (0.0, 4.0):
            found = criterion(gamma_neg=gamma_neg, gamma_pos=1.5, epsilon=0)(logits, target)
            torch.testing.assert_close(found, expected)


def test_an_improbable_wrong_class_is_let_go():
    logits = torch.tensor([[9.0, 0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    target = torch.eye(K, dtype=torch.float64)[:1]
    (smoothing,) = torch.autograd.grad(criterion(gamma_neg=0)(logits, target).sum(), logits)
    (asymmetric,) = torch.autograd.grad(criterion()(logits, target).sum(), logits)
    assert (smoothing[0, 1:] < -0.02).all()  # pushed up
    assert (asymmetric[0, 1:].abs() < 1e-3).all()


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 1), gammas=st.tuples(st.floats(0, 5), st.floats(0, 3)), seed=st.integers(0, 99))
def test_a_mixed_target_has_the_mean_loss_and_classes_may_change_places(share, gammas, seed):
    logits, _, hard = batch(1 + seed % 5, seed)
    other, loss = hard.roll(1, dims=1), criterion(gamma_neg=gammas[0], gamma_pos=gammas[1])
    mixed = share * hard + (1 - share) * other
    torch.testing.assert_close(loss(logits, mixed), share * loss(logits, hard) + (1 - share) * loss(logits, other))
    order = torch.randperm(K, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(loss(logits[:, order], mixed[:, order]), loss(logits, mixed))


@pytest.mark.parametrize("gamma", [0.0, 0.3, 4.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_are_finite(gamma, dtype):
    logits = (3e4 * torch.cat([torch.eye(K), -torch.eye(K), torch.zeros(K, K)])).to(dtype).requires_grad_()
    loss = criterion(gamma_neg=gamma, gamma_pos=gamma)(logits, torch.eye(K)[0].expand(12, -1).to(dtype))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


def test_gradient():
    logits, _, hard = batch(rows=6)
    loss, target = criterion(gamma_neg=2.5, gamma_pos=0.5), 0.8 * hard + 0.05
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits.requires_grad_())


@pytest.mark.parametrize("bad", [{"gamma_neg": -1}, {"gamma_pos": -1}, {"epsilon": 1.0}, {"epsilon": -0.1}])
def test_options_are_checked(bad):
    with pytest.raises(OptionError, match=f"option '{next(iter(bad))}' of strategy 'asymmetric'"):
        Asymmetric(**bad)
