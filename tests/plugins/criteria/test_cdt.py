"""Class-dependent temperatures against their formula, published code, a separable training and the ledger."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk.planning.ledger import is_shifted_cross_entropy, ledger_of
from imbtk_plugins.criteria.cdt import CDT
from imbtk_plugins.criteria.focal_loss import FocalLoss

COUNTS = (900, 90, 10)


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def context(counts=COUNTS):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, labels)


def tempered(counts=COUNTS, base=cross_entropy, **options):
    return CDT(**options).imbtk_adjust_criterion(base, context(counts))


def batch(rows=32, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, classes).double()


@pytest.mark.parametrize("gamma", [0.05, 0.2, 1.0])
def test_it_is_the_formula(gamma):
    logits, labels, target = batch()
    found = tempered(gamma=gamma)(logits, target).tolist()
    for f, y, loss in zip(logits.tolist(), labels.tolist(), found, strict=True):
        z = [v / (900 / n) ** gamma for n, v in zip(COUNTS, f, strict=True)]
        assert loss == pytest.approx(math.log(sum(math.exp(v) for v in z)) - z[y], rel=1e-9)


def test_it_is_published_code():
    """Values that ``CDT`` of BagofTricks-LT with γ = 0.2 gave for these logits, in float64."""
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.3, 0.2, 1.5]], dtype=torch.float64)
    found = tempered()(logits, torch.eye(3, dtype=torch.float64)[[0, 2]])
    assert found.tolist() == pytest.approx([0.21337885904017223, 0.8544337399222316], rel=1e-12)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 999), gamma=st.floats(0, 2), classes=st.integers(2, 4))
def test_equal_counts_or_no_exponent_are_the_criterion_underneath(n, gamma, classes):
    logits, _, target = batch(1 + n % 5, classes, seed=n)
    expected = cross_entropy(logits, target)
    torch.testing.assert_close(tempered((n,) * classes, gamma=gamma)(logits, target), expected)
    torch.testing.assert_close(tempered((n, 2 * n, 1, 1)[:classes], gamma=0)(logits, target), expected)


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(0, 999), min_size=2, max_size=5).filter(any), seed=st.integers(0, 99))
def test_classes_may_change_places(counts, seed):
    logits, _, target = batch(4, len(counts), seed)
    order = torch.randperm(len(counts), generator=torch.Generator().manual_seed(seed))
    moved = tempered([counts[k] for k in order])(logits[:, order], target[:, order])
    torch.testing.assert_close(moved, tempered(counts)(logits, target))


def test_it_works_over_any_criterion_and_on_mixed_targets():
    logits, _, hard = batch()
    target = 0.6 * hard + 0.4 * hard.roll(1, dims=1)
    focal = FocalLoss().imbtk_criterion(context())
    temperatures = torch.tensor([(900 / n) ** 0.2 for n in COUNTS], dtype=torch.float64)
    torch.testing.assert_close(tempered(base=focal)(logits, target), focal(logits / temperatures, target))


def crossing(counts, gamma):
    """Return where a linear model goes over from the most frequent to the rarest class, 1 being the rarest's own row.

    One row of each class at the corners of a regular polygon, weighted as its class, trained until all are right.
    """
    n = torch.tensor(counts).double()
    angles = torch.arange(len(counts)) * 2 * math.pi / len(counts)
    x = torch.stack([angles.cos(), angles.sin(), torch.ones(len(counts))], dim=1).double()
    w = torch.zeros(len(counts), 3, dtype=torch.float64, requires_grad=True)
    optimizer, loss = torch.optim.SGD([w], lr=4.0), tempered(counts, gamma=gamma)
    for _ in range(2000):
        optimizer.zero_grad()
        (n / n.sum() @ loss(x @ w.T, torch.eye(len(counts)).double())).backward()
        optimizer.step()
    w = w.detach()
    assert ((x @ w.T).argmax(1) == torch.arange(len(counts))).all()
    first, last = ((x[k] @ (w[-1] - w[0])).item() for k in (0, -1))
    return first / (first - last)


@pytest.mark.parametrize("counts", [(90, 10), (900, 90, 10)])
def test_on_rows_that_are_fitted_the_rare_class_gets_room(counts):
    assert crossing(counts, gamma=0.2) < crossing(counts, gamma=0.0) - 0.03


def test_with_two_classes_it_is_the_loss_of_one_logit():
    logits, labels, target = batch(classes=2)
    found = tempered((90, 10), gamma=0.3)(logits, target).tolist()
    for (f0, f1), y, loss in zip(logits.tolist(), labels.tolist(), found, strict=True):
        margin = (f1 - f0) * (10 / 90) ** 0.3 if y else f0 - f1
        assert loss == pytest.approx(math.log1p(math.exp(-margin)), rel=1e-9)


def test_the_ledger_sees_that_a_model_of_biases_learns_the_opposite():
    n = torch.tensor(COUNTS)
    ledger = ledger_of(n, n, n.double() / 1000, None, tempered())
    a = torch.tensor([(900 / k) ** 0.2 for k in COUNTS], dtype=torch.float64)
    log_prior = (n.double() / 1000).log()
    shortest = a * (log_prior - (a**2 @ log_prior) / (a**2).sum())
    torch.testing.assert_close(ledger.effective, shortest.softmax(0), atol=1e-5, rtol=0)
    assert ledger.index < 0
    assert not is_shifted_cross_entropy(tempered(), 3, torch.device("cpu"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_and_a_class_without_rows_are_finite(dtype):
    logits = (3e4 * torch.cat([torch.eye(3), -torch.eye(3), torch.zeros(3, 3)])).to(dtype).requires_grad_()
    for target in (torch.eye(3)[0], torch.tensor([0.5, 0.3, 0.2])):
        loss = tempered((10_000_000, 100, 0))(logits, target.expand(9, -1).to(logits).float())
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"option 'gamma' of strategy 'cdt' .*greater than or equal to 0"):
        CDT(gamma=-0.1)
