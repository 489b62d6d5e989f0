"""The vector-scaling loss against its formula, its reference code, logit adjustment and the ledger."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import imbtk
from imbtk import RunContext
from imbtk.errors import OptionError, PlanError
from imbtk.planning.ledger import is_shifted_cross_entropy, ledger_of
from imbtk_plugins.criteria.cdt import CDT
from imbtk_plugins.criteria.focal_loss import FocalLoss
from imbtk_plugins.criteria.logit_adjust import LogitAdjust
from imbtk_plugins.criteria.vs_loss import VSLoss

COUNTS = (900, 90, 10)


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def context(counts=COUNTS):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, labels)


def scaled(counts=COUNTS, base=cross_entropy, **options):
    return VSLoss(**options).imbtk_adjust_criterion(base, context(counts))


def batch(rows=32, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, classes).double()


@pytest.mark.parametrize(("gamma", "tau"), [(0.3, 1.0), (0.2, 1.2), (0.0, 1.0), (0.5, 0.0)])
def test_it_is_the_formula(gamma, tau):
    logits, labels, target = batch()
    found = scaled(gamma=gamma, tau=tau)(logits, target).tolist()
    for f, y, loss in zip(logits.tolist(), labels.tolist(), found, strict=True):
        z = [(n / 900) ** gamma * v + tau * math.log(n / 1000) for n, v in zip(COUNTS, f, strict=True)]
        assert loss == pytest.approx(math.log(sum(math.exp(v) for v in z)) - z[y], rel=1e-9)


def test_it_is_the_reference_code():
    """Values that ``VSLoss`` of the authors' repository with its defaults gave for these logits, in float64."""
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.3, 0.2, 1.5]], dtype=torch.float64)
    found = scaled()(logits, torch.eye(3, dtype=torch.float64)[[0, 2]])
    assert found.tolist() == pytest.approx([0.009861819650723976, 4.500801081136892], rel=1e-12)


def test_with_two_classes_it_is_the_loss_of_one_logit():
    """The authors' loss for two classes, without its factor 30: a logit f and the scale of the sample's class."""
    logits, labels, target = batch(classes=2)
    found = scaled((90, 10), tau=0.8)(logits, target).tolist()
    for (f0, f1), y, loss in zip(logits.tolist(), labels.tolist(), found, strict=True):
        margin = ((10 / 90) ** 0.3 if y else 1.0) * (f1 - f0) + 0.8 * math.log(10 / 90)
        assert loss == pytest.approx(math.log1p(math.exp(-margin if y else margin)), rel=1e-9)


def test_with_two_classes_the_ledger_finds_the_rare_one_below_half():
    n = torch.tensor([90, 10])
    ledger = ledger_of(n, n, n.double() / 100, None, scaled((90, 10)))
    b, scale, odds = math.log(ledger.effective[1] / ledger.effective[0]), (1 / 9) ** 0.3, math.log(1 / 9)
    rare = 0.1 * scale / (1 + math.exp(scale * b + odds))
    frequent = 0.9 / (1 + math.exp(-b - odds))
    assert rare == pytest.approx(frequent, rel=1e-4)  # slopes at the least loss
    assert 0.6 < ledger.index < 0.8


def test_without_scales_it_is_logit_adjustment_and_without_a_shift_temperatures():
    logits, _, hard = batch()
    target = 0.8 * hard + 0.2 / 3
    shifted = LogitAdjust(tau=0.7).imbtk_adjust_criterion(cross_entropy, context())
    torch.testing.assert_close(scaled(gamma=0, tau=0.7)(logits, target), shifted(logits, target))
    tempered = CDT(gamma=0.25).imbtk_adjust_criterion(cross_entropy, context())
    torch.testing.assert_close(scaled(gamma=0.25, tau=0)(logits, target), tempered(logits, target))


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 999), gamma=st.floats(0, 2), tau=st.floats(0, 3), rows=st.integers(1, 6), seed=st.integers(0, 99)
)
def test_equal_counts_are_the_criterion_underneath(n, gamma, tau, rows, seed):
    logits, _, target = batch(rows, seed=seed)
    found = scaled((n, n, n), gamma=gamma, tau=tau)(logits, target)
    torch.testing.assert_close(found, cross_entropy(logits, target))


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(0, 999), min_size=2, max_size=5).filter(any), seed=st.integers(0, 99))
def test_classes_may_change_places(counts, seed):
    logits, _, target = batch(4, len(counts), seed)
    order = torch.randperm(len(counts), generator=torch.Generator().manual_seed(seed))
    moved = scaled([counts[k] for k in order])(logits[:, order], target[:, order])
    torch.testing.assert_close(moved, scaled(counts)(logits, target))


def test_it_works_over_any_criterion():
    logits, _, target = batch()
    n = torch.tensor(COUNTS, dtype=torch.float64)
    focal = FocalLoss().imbtk_criterion(context())
    expected = focal(logits * (n / 900) ** 0.3 + (n / 1000).log(), target)
    torch.testing.assert_close(scaled(base=focal)(logits, target), expected)


@pytest.mark.parametrize("counts", [COUNTS, (90_000, 90, 1), (900, 100, 0)])
def test_with_tau_1_the_ledger_finds_equal_classes(counts):
    n = torch.tensor(counts)
    ledger = ledger_of(n, n, n.double() / n.sum(), None, scaled(counts))
    torch.testing.assert_close(ledger.effective, (n > 0).double() / (n > 0).sum(), atol=1e-5, rtol=0)
    assert ledger.index == pytest.approx(1.0, abs=1e-4)


def test_it_is_no_shift_of_cross_entropy_unless_it_scales_nothing():
    assert not is_shifted_cross_entropy(scaled(), 3, torch.device("cpu"))
    assert is_shifted_cross_entropy(scaled(gamma=0), 3, torch.device("cpu"))


def test_it_is_refused_beside_what_moves_the_frequencies_as_well():
    x, y = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32), np.arange(400) % 20 // 19
    for other in ("logit-adjust", "class-weights", "oversample"):
        with pytest.raises(PlanError, match=r"too far[\s\S]*vs-loss"):
            imbtk.compose(["vs-loss", other], labels=y, x=x, epochs=2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_and_a_class_without_rows_are_finite(dtype):
    logits = (3e4 * torch.cat([torch.eye(3), -torch.eye(3), torch.zeros(3, 3)])).to(dtype).requires_grad_()
    for target in (torch.eye(3)[0], torch.tensor([0.5, 0.3, 0.2])):
        loss = scaled((10_000_000, 100, 0))(logits, target.expand(9, -1).to(logits).float())
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()


def test_half_precision_logits_are_shifted_in_float32():
    logits = torch.zeros(1, 3, dtype=torch.bfloat16)
    found = scaled()(logits, torch.eye(3)[2:]).item()
    assert found == pytest.approx(-math.log(0.01), rel=1e-5)  # bfloat16 has no more than three digits


@pytest.mark.parametrize("name", ["gamma", "tau"])
def test_options_are_checked(name):
    with pytest.raises(OptionError, match=f"option '{name}' of strategy 'vs-loss' .*greater than or equal to 0"):
        VSLoss(**{name: -0.1})
