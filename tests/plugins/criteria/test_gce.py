"""Generalised cross-entropy against its formula, its two ends, and what it comes to believe."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer

import imbtk
from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk_plugins.criteria.gce import GCE

K = 4


def criterion(q=0.7):
    counts = torch.tensor([1] * K)
    return GCE(q=q).imbtk_criterion(RunContext(tuple("abcd"), counts, counts, torch.arange(K)))


def batch(rows=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, K, generator=generator, dtype=torch.float64)
    labels = torch.randint(K, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, K).double()


@pytest.mark.parametrize("q", [0.1, 0.5, 0.7, 1.0])
def test_it_is_equation_6(q):
    logits, labels, target = batch()
    p = softmax(logits.numpy(), axis=1)[range(64), labels.numpy()]
    assert criterion(q)(logits, target).tolist() == pytest.approx([(1 - v**q) / q for v in p], rel=1e-9)


def test_its_ends_are_cross_entropy_and_half_the_absolute_error():
    logits, _, target = batch()
    torch.testing.assert_close(
        criterion(1e-9)(logits, target), F.cross_entropy(logits, target, reduction="none"), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(criterion(1.0)(logits, target), (logits.softmax(1) - target).abs().sum(1) / 2)


def test_its_slope_is_that_of_cross_entropy_times_p_to_the_q():
    logits, labels, target = batch()
    logits.requires_grad_()
    (found,) = torch.autograd.grad(criterion()(logits, target).sum(), logits)
    (plain,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), logits)
    p = logits.detach().softmax(1)[range(64), labels]
    torch.testing.assert_close(found, plain * p[:, None] ** 0.7)


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 1), q=st.floats(0.01, 1), rows=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_mixed_target_has_the_mean_loss_and_classes_may_change_places(share, q, rows, seed):
    logits, _, hard = batch(rows, seed)
    other, loss = hard.roll(1, dims=1), criterion(q)
    mixed = share * hard + (1 - share) * other
    torch.testing.assert_close(loss(logits, mixed), share * loss(logits, hard) + (1 - share) * loss(logits, other))
    order = torch.randperm(K, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(loss(logits[:, order], mixed[:, order]), loss(logits, mixed))


def test_a_sample_is_lost_no_more_than_one_over_q():
    logits = torch.tensor([[-1e4, 1e4, 0.0, 0.0]])
    assert criterion(0.7)(logits, torch.eye(4)[:1]).item() == pytest.approx(1 / 0.7)


def test_a_model_of_biases_comes_to_believe_the_frequencies_to_the_power_1_over_1_minus_q():
    frequencies = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    bias = torch.zeros(K, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([bias], max_iter=300, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = frequencies @ criterion(0.5)(bias.expand(K, -1), torch.eye(K, dtype=torch.float64))
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(bias.detach().softmax(0), frequencies**2 / (frequencies**2).sum(), rtol=1e-4, atol=1e-6)


def test_p_does_not_move_with_class_weights():
    """The trap of exp(-weighted CE): a weight multiplies the loss and nothing else."""
    logits, labels, target = batch()
    weights = torch.tensor([1.0, 10.0, 0.1, 3.0], dtype=torch.float64)
    weighted = (target @ weights) * criterion()(logits, target)
    p = (-F.cross_entropy(logits, labels, reduction="none")).exp()
    torch.testing.assert_close(weighted, weights[labels] * (1 - p**0.7) / 0.7)


@pytest.mark.parametrize("q", [1e-3, 0.7, 1.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_are_finite(q, dtype):
    logits = (3e4 * torch.cat([torch.eye(K), -torch.eye(K), torch.zeros(K, K)])).to(dtype).requires_grad_()
    loss = criterion(q)(logits, torch.eye(K)[0].expand(12, -1).to(dtype))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.filterwarnings("ignore:'gce' gives up rows")
def test_labels_that_are_wrong_mislead_it_less_than_cross_entropy():
    """Four in ten of one class are called the other: cross-entropy comes to doubt that class, this loss less."""
    x, truth = load_breast_cancer(return_X_y=True)
    x = x.astype(np.float32)
    wrong = np.random.default_rng(0).random(len(truth)) < 0.4
    labels = np.where(wrong & (truth == 1), 0, truth)
    right = {}
    for plan in ("focal-loss:gamma=0", "gce"):
        model = imbtk.ImbalancedClassifier([plan], epochs=30, model="linear", random_state=0).fit(x, labels)
        right[plan] = float((model.predict(x) == truth).mean())
    assert right["gce"] > right["focal-loss:gamma=0"] + 0.01, right


@pytest.mark.parametrize("q", [0.0, -0.1, 1.1, math.nan])
def test_options_are_checked(q):
    with pytest.raises(OptionError, match="option 'q' of strategy 'gce'"):
        GCE(q=q)
