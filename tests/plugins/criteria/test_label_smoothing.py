"""Label smoothing against torch's own, arithmetic, and what the ledger makes of it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

import imbtk
from imbtk import RunContext
from imbtk.errors import OptionError, PlanError
from imbtk.planning.ledger import is_shifted_cross_entropy, ledger_of
from imbtk_plugins.criteria.focal_loss import FocalLoss
from imbtk_plugins.criteria.label_smoothing import LabelSmoothing

COUNTS = (900, 90, 10)


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def context(counts=COUNTS):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, labels)


def smoothed(epsilon=0.1, base=cross_entropy, counts=COUNTS):
    return LabelSmoothing(epsilon=epsilon).imbtk_adjust_criterion(base, context(counts))


def batch(rows=32, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, classes).double()


@settings(deadline=None, max_examples=25)
@given(epsilon=st.floats(0, 0.99), classes=st.integers(2, 7), rows=st.integers(1, 9), seed=st.integers(0, 99))
def test_over_cross_entropy_it_is_torchs_on_hard_and_on_mixed_targets(epsilon, classes, rows, seed):
    logits, labels, hard = batch(rows, classes, seed)
    found = smoothed(epsilon, counts=(5,) * classes)
    expected = F.cross_entropy(logits, labels, reduction="none", label_smoothing=epsilon)
    torch.testing.assert_close(found(logits, hard), expected)
    mixed = 0.7 * hard + 0.3 * hard.roll(1, dims=1)
    expected = F.cross_entropy(logits, mixed, reduction="none", label_smoothing=epsilon)
    torch.testing.assert_close(found(logits, mixed), expected)


def test_without_smoothing_it_is_the_criterion_itself():
    assert smoothed(0.0) is cross_entropy


def test_it_works_over_any_criterion():
    logits, labels, hard = batch()
    focal = FocalLoss().imbtk_criterion(context())
    target = torch.full((32, 3), 0.05, dtype=torch.float64)
    target[torch.arange(32), labels] = 0.9
    torch.testing.assert_close(smoothed(0.15, focal)(logits, hard), focal(logits, target))


def test_the_target_that_was_given_stays_as_it_is():
    logits, _, hard = batch()
    before = hard.clone()
    smoothed()(logits, hard)
    assert torch.equal(hard, before)


def test_the_ledger_sees_the_smoothed_frequencies():
    counts = torch.tensor(COUNTS)
    ledger = ledger_of(counts, counts, counts.double() / 1000, None, smoothed(0.3))
    expected = torch.tensor([0.63 + 0.1, 0.063 + 0.1, 0.007 + 0.1], dtype=torch.float64)
    torch.testing.assert_close(ledger.effective, expected, atol=1e-5, rtol=0)
    assert 0 < ledger.index < 1


def test_it_is_no_shift_of_cross_entropy():
    assert is_shifted_cross_entropy(cross_entropy, 3, torch.device("cpu"))
    assert not is_shifted_cross_entropy(smoothed(0.1), 3, torch.device("cpu"))


def test_a_floor_that_logit_adjustment_raises_is_refused():
    """A class of 1 in 400 gets 1/20 of every sample, which the adjustment multiplies by 400."""
    x, y = np.random.default_rng(0).normal(size=(1600, 2)).astype(np.float32), np.arange(1600) % 400 // 399
    with pytest.raises(PlanError, match=r"too far[\s\S]*label-smoothing"):
        imbtk.compose(["logit-adjust", "label-smoothing"], labels=y, x=x, epochs=2)


def test_a_class_without_rows_is_finite_in_half_precision():
    logits = torch.tensor([[3e4, -3e4, 0.0], [-3e4, 3e4, 0.0]]).bfloat16().requires_grad_()
    loss = smoothed(counts=(900, 100, 0))(logits, torch.eye(3)[:2].bfloat16())
    (gradient,) = torch.autograd.grad(loss.float().sum(), logits)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.filterwarnings("ignore:'label-smoothing' teaches smoothed targets")
def test_it_keeps_a_network_from_certainty():
    x, y = load_breast_cancer(return_X_y=True)
    certainty = {}
    for epsilon in (0.0, 0.5):
        plan = [f"label-smoothing:epsilon={epsilon}"]
        model = imbtk.ImbalancedClassifier(plan, epochs=20, model="linear", random_state=0).fit(x.astype(np.float32), y)
        certainty[epsilon] = model.predict_proba(x.astype(np.float32)).max(1)
    # A certain network is at 1; a certain one with ε = ½ and two classes at ¾.
    assert np.median(certainty[0.0]) > 0.9
    assert 0.6 < np.median(certainty[0.5]) < 0.85


def test_options_are_checked():
    with pytest.raises(OptionError, match="option 'epsilon' of strategy 'label-smoothing'"):
        LabelSmoothing(epsilon=1.0)
    with pytest.raises(OptionError, match="option 'epsilon' of strategy 'label-smoothing'"):
        LabelSmoothing(epsilon=-0.1)
