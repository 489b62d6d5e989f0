"""The focal loss against cross-entropy, float64 arithmetic and torchvision."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torchvision.ops import sigmoid_focal_loss

from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk_plugins.criteria.focal_loss import FocalLoss

K = 4


def criterion(gamma):
    counts = torch.tensor([1] * K)
    context = RunContext(tuple("abcd"), counts, counts, torch.arange(K))
    return FocalLoss(gamma=gamma).imbtk_criterion(context)


def batch(rows=64, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(rows, K, generator=generator, dtype=torch.float64)
    labels = torch.randint(K, (rows,), generator=generator)
    return logits, labels, torch.nn.functional.one_hot(labels, K).double()


def test_gamma_zero_is_cross_entropy_also_on_soft_targets():
    logits, _, hard = batch()
    soft = 0.7 * hard + 0.3 * hard.roll(1, dims=0)
    reference = torch.nn.CrossEntropyLoss(reduction="none")
    for target in (hard, soft):
        torch.testing.assert_close(criterion(0.0)(logits, target), reference(logits, target), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_hard_targets_are_equation_4(gamma):
    logits, labels, target = batch()
    p = np.take_along_axis(softmax(logits.numpy(), axis=1), labels.numpy()[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(criterion(gamma)(logits, target).numpy(), -((1 - p) ** gamma) * np.log(p), rtol=1e-9)


def test_soft_target_is_the_mean_of_hard_ones():
    logits, _, hard = batch()
    other = hard.roll(1, dims=1)
    expected = 0.25 * criterion(2.0)(logits, hard) + 0.75 * criterion(2.0)(logits, other)
    torch.testing.assert_close(criterion(2.0)(logits, 0.25 * hard + 0.75 * other), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_two_classes_are_torchvisions_sigmoid_focal_loss(gamma):
    x = torch.linspace(-6, 6, 41, dtype=torch.float64)
    y = (torch.arange(41) % 2).double()
    logits = torch.stack([torch.zeros_like(x), x], dim=1)
    target = torch.stack([1 - y, y], dim=1)
    expected = sigmoid_focal_loss(x, y, alpha=-1, gamma=gamma, reduction="none")
    torch.testing.assert_close(criterion(gamma)(logits, target), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_gradient(gamma):
    logits, _, hard = batch(rows=6)
    target = 0.8 * hard + 0.05
    assert torch.autograd.gradcheck(lambda z: criterion(gamma)(z, target), logits.requires_grad_())


def test_extreme_logits_have_finite_gradients():
    sizes = torch.tensor([0.0, 1e-3, 15.0, 17.0, 40.0, 88.0, 104.0, 3e4])
    directions = torch.tensor([[1.0, 0, 0, 0], [0, 1, -1, -1], [-1, -1, 1, 1]])
    # A row for each size, direction and class that is right.
    every = (sizes[:, None, None, None] * directions[:, None, :]).expand(-1, -1, K, -1).reshape(-1, K)
    assert every.shape == (8 * 3 * K, K)
    labels = torch.arange(K).repeat(8 * 3)
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        for gamma in (0.0, 0.1, 0.5, 1.0, 2.0, 5.0):
            logits = every.to(dtype).requires_grad_()
            loss = criterion(gamma)(logits, torch.nn.functional.one_hot(labels, K).to(dtype))
            (gradient,) = torch.autograd.grad(loss.sum(), logits)
            bad = ~(torch.isfinite(loss) & torch.isfinite(gradient).all(dim=1))
            assert not bad.any(), f"{dtype}, gamma {gamma}: {logits[bad].tolist()}, right are {labels[bad].tolist()}"


def test_half_precision_is_computed_in_float32():
    logits, _, target = batch()
    halved = logits.to(torch.bfloat16)
    loss = criterion(2.0)(halved, target.to(torch.bfloat16))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), criterion(2.0)(halved.double(), target), rtol=1e-5, atol=1e-6)


def test_focus_does_not_move_with_class_weights():
    """The trap of exp(-weighted CE): a weight multiplies the loss and nothing else."""
    logits, labels, target = batch()
    class_weights = torch.tensor([1.0, 10.0, 0.1, 3.0], dtype=torch.float64)
    unweighted = criterion(2.0)(logits, target)
    cross_entropy = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    wrong = (1 - (-class_weights[labels] * cross_entropy).exp()) ** 2 * class_weights[labels] * cross_entropy
    expected = class_weights[labels] * (1 - (-cross_entropy).exp()) ** 2 * cross_entropy
    torch.testing.assert_close((target @ class_weights) * unweighted, expected)
    assert not torch.allclose(expected, wrong)


def test_negative_gamma_is_refused():
    with pytest.raises(OptionError, match=r"option 'gamma' of strategy 'focal-loss' .*greater than or equal to 0"):
        FocalLoss(gamma=-1)
