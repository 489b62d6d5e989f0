"""Balanced softmax against the paper's equations and logit adjustment's closed form."""

import numpy as np
import pytest
import torch

from imbtk import RunContext
from imbtk.planning.ledger import ledger_of
from imbtk_plugins.criteria.balanced_softmax import BalancedSoftmax
from imbtk_plugins.criteria.focal_loss import FocalLoss

COUNTS = (900, 90, 10)


def cross_entropy(logits, target):
    return torch.nn.functional.cross_entropy(logits, target, reduction="none")


def context(counts=COUNTS):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, labels)


def balanced(base=cross_entropy, counts=COUNTS):
    return BalancedSoftmax().imbtk_adjust_criterion(base, context(counts))


def batch(rows=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (rows,), generator=generator)
    return logits, labels, torch.nn.functional.one_hot(labels, 3).double()


def test_the_loss_is_equation_4():
    logits, labels, target = batch()
    scaled = np.array(COUNTS) * np.exp(logits.numpy())
    phi = scaled[np.arange(32), labels.numpy()] / scaled.sum(1)
    np.testing.assert_allclose(balanced()(logits, target).numpy(), -np.log(phi), rtol=1e-10)


def test_equal_counts_are_cross_entropy():
    logits, _, target = batch()
    torch.testing.assert_close(balanced(counts=(7, 7, 7))(logits, target), cross_entropy(logits, target))


def test_the_ledger_finds_equal_classes():
    counts = torch.tensor(COUNTS)
    ledger = ledger_of(counts, counts, counts.double() / 1000, None, balanced())
    torch.testing.assert_close(ledger.effective, torch.full((3,), 1 / 3, dtype=torch.float64), atol=1e-5, rtol=0)


def test_it_works_over_any_criterion():
    logits, _, target = batch()
    focal = FocalLoss().imbtk_criterion(context())
    shifted = logits + torch.tensor(COUNTS, dtype=torch.float64).log()
    torch.testing.assert_close(balanced(focal)(logits, target), focal(shifted, target))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_class_without_rows_is_finite(dtype):
    logits, _, target = batch()
    logits = logits.to(dtype).requires_grad_()
    for targets in (target, 0.9 * target + 0.1 / 3):
        loss = balanced(counts=(900, 100, 0))(logits, targets.to(dtype))
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert loss.dtype == dtype
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()
