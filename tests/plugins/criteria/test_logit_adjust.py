"""Logit adjustment against arithmetic, SciPy and the ledger's closed form."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk.planning.ledger import ledger_of
from imbtk_plugins.criteria.focal_loss import FocalLoss
from imbtk_plugins.criteria.logit_adjust import LogitAdjust

COUNTS = (900, 90, 10)


def cross_entropy(logits, target):
    return torch.nn.functional.cross_entropy(logits, target, reduction="none")


def context(counts=COUNTS, **changes):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, labels, **changes)


def batch(rows=32, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    return logits, labels, torch.nn.functional.one_hot(labels, classes).double()


def adjusted(tau, base=cross_entropy, **changes):
    return LogitAdjust(tau=tau).imbtk_adjust_criterion(base, context(**changes))


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_the_loss_is_equation_10(tau):
    logits, labels, target = batch()
    prior = np.array(COUNTS) / 1000
    # Eq. 10 as it stands: log(1 + Σ_{y'≠y} (π_y'/π_y)^τ e^(f_y' - f_y)).
    f, y = logits.numpy(), labels.numpy()
    ratio = (prior[None, :] / prior[y][:, None]) ** tau * np.exp(f - f[np.arange(len(y)), y][:, None])
    ratio[np.arange(len(y)), y] = 0
    np.testing.assert_allclose(adjusted(tau)(logits, target).numpy(), np.log1p(ratio.sum(1)), rtol=1e-10)


@settings(deadline=None, max_examples=25)
@given(
    tau=st.floats(0, 3),
    counts=st.integers(1, 10_000),
    classes=st.integers(2, 6),
    seed=st.integers(0, 100),
)
def test_equal_counts_change_nothing(tau, counts, classes, seed):
    logits, _, target = batch(classes=classes, seed=seed)
    found = adjusted(tau, counts=(counts,) * classes)(logits, target)
    torch.testing.assert_close(found, cross_entropy(logits, target))


def test_tau_zero_changes_nothing():
    logits, _, target = batch()
    torch.testing.assert_close(adjusted(0.0)(logits, target), cross_entropy(logits, target))


def test_a_focal_loss_is_focal_on_adjusted_logits():
    logits, _, target = batch()
    focal = FocalLoss(gamma=2.0).imbtk_criterion(context())
    found = adjusted(1.0, focal)(logits, target)
    shifted = logits + torch.tensor(COUNTS, dtype=torch.float64).log()
    torch.testing.assert_close(found, focal(shifted, target))


def test_soft_targets_and_half_precision():
    logits, _, target = batch()
    soft = 0.8 * target + 0.2 / 3
    expected = -(soft.numpy() * log_softmax(logits.numpy() + np.log(np.array(COUNTS) / 1000), axis=1)).sum(1)
    np.testing.assert_allclose(adjusted(1.0)(logits, soft).numpy(), expected, rtol=1e-10)
    low = adjusted(1.0)(logits.float(), soft.float())
    assert low.dtype == torch.float32
    torch.testing.assert_close(low.double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


def test_a_class_without_rows_is_finite_and_pushed_down():
    logits, _, target = batch()
    logits.requires_grad_()
    mixed = 0.9 * target + 0.1 / 3
    for targets in (target[:, :], mixed):
        loss = adjusted(1.0, counts=(900, 100, 0))(logits, targets)
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()
    first = torch.nn.functional.one_hot(torch.zeros(32, dtype=torch.int64), 3).double()
    (gradient,) = torch.autograd.grad(adjusted(1.0, counts=(900, 100, 0))(logits, first).sum(), logits)
    assert (gradient[:, 2] > 0).all()


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_the_ledger_sees_tau(tau):
    counts = torch.tensor(COUNTS)
    ledger = ledger_of(counts, counts, counts.double() / 1000, None, adjusted(tau))
    assert ledger.index == pytest.approx(tau, abs=1e-4)


def test_posthoc_leaves_the_loss_alone_and_decides_by_equation_9():
    strategy = LogitAdjust(tau=0.7, mode="posthoc")
    assert strategy.imbtk_adjust_criterion(cross_entropy, context()) is cross_entropy
    rule = strategy.imbtk_decide(context())
    logits, *_ = batch(rows=500)
    expected = (logits.numpy() - 0.7 * np.log(np.array(COUNTS) / 1000)).argmax(1)
    assert (rule.decide(logits.numpy(), np.full((500, 3), 1 / 3)) == expected).all()
    assert rule.on == "logits"
    assert rule.name == "logits minus 0.7·log of the class frequencies"
    assert LogitAdjust().imbtk_decide(context()) is None


def test_posthoc_repeats_no_correction():
    """An epoch order or weights that made classes equal leave nothing to take off."""
    believed = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    rule = LogitAdjust(mode="posthoc").imbtk_decide(dataclasses.replace(context(), effective_prior=believed))
    np.testing.assert_allclose(rule.shift, -np.log([0.5, 0.3, 0.2]))
    equal = torch.full((3,), 1 / 3, dtype=torch.float64)
    rule = LogitAdjust(mode="posthoc").imbtk_decide(dataclasses.replace(context(), effective_prior=equal))
    assert np.ptp(rule.shift) == pytest.approx(0)


def test_posthoc_without_rows_of_a_class_is_finite():
    rule = LogitAdjust(mode="posthoc").imbtk_decide(context(counts=(900, 100, 0)))
    np.testing.assert_allclose(rule.shift, -np.log([0.9, 0.1, 1 / 1000]))


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"option 'tau' of strategy 'logit-adjust' .*greater than or equal to 0"):
        LogitAdjust(tau=-1)
    with pytest.raises(OptionError, match="option 'mode' of strategy 'logit-adjust'"):
        LogitAdjust(mode="both")
