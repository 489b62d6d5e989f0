"""Label-aware smoothing against arithmetic, label smoothing's closed form, and what the ledger makes of it."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk.planning.ledger import ledger_of
from imbtk_plugins.criteria.label_aware_smoothing import LabelAwareSmoothing

COUNTS = (900, 450, 90, 10)


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def context(counts):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, labels)


def smoothed(counts=COUNTS, base=cross_entropy, **options):
    return LabelAwareSmoothing(**options).imbtk_adjust_criterion(base, context(counts))


def given_target(counts=COUNTS, target=None, **options):
    """Return the target that the criterion underneath is given, for one-hot targets unless others are handed."""
    seen = []
    smoothed(counts, lambda logits, target: seen.append(target) or logits.sum(1), **options)(
        torch.zeros(len(counts), len(counts)), torch.eye(len(counts), dtype=torch.float64) if target is None else target
    )
    return seen[0]


def batch(rows=32, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, classes).double()


def on_paper(n, counts, head, tail, shape):
    """Return the smoothing of a class of n rows, as the paper and its code have it."""
    x = (n - min(counts)) / (max(counts) - min(counts))
    if shape == "concave":
        return tail + (head - tail) * math.sin(x * math.pi / 2)
    if shape == "linear":
        return tail + (head - tail) * x
    return head + (head - tail) * math.sin(1.5 * math.pi + x * math.pi / 2)


@pytest.mark.parametrize("shape", ["concave", "linear", "convex"])
@pytest.mark.parametrize(("head", "tail"), [(0.3, 0.0), (0.4, 0.1), (0.0, 0.3)])
def test_it_is_the_papers_smoothing_of_each_class(shape, head, tail):
    logits, labels, target = batch()
    found = smoothed(head=head, tail=tail, shape=shape)(logits, target).tolist()
    for z, label, loss in zip(logits.tolist(), labels.tolist(), found, strict=True):
        log_p = [value - math.log(sum(math.exp(v) for v in z)) for value in z]
        epsilon = on_paper(COUNTS[label], COUNTS, head, tail, shape)
        expected = -(1 - epsilon) * log_p[label] - epsilon * sum(log_p) / 4
        assert loss == pytest.approx(expected, rel=1e-9)


def test_it_is_the_reference_code():
    """Values that ``LabelAwareSmoothing`` of MiSLAS with 0.3, 0 and concave gave for these logits, in float64."""
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.3, 0.2, 1.5]], dtype=torch.float64)
    found = smoothed((900, 90, 10))(logits, torch.eye(3, dtype=torch.float64)[[0, 2]])
    assert found.tolist() == pytest.approx([0.6913112966571571, 0.4534460592045602], rel=1e-12)


def test_a_head_is_smoothed_by_head_and_a_tail_by_tail():
    target = given_target(head=0.4, tail=0.1)
    torch.testing.assert_close(target.diagonal()[[0, 3]], torch.tensor([1 - 0.3, 1 - 0.075], dtype=torch.float64))
    target = given_target(head=0.0, tail=0.3)
    assert target[0, 0] == 1
    assert target[3, 3] == pytest.approx(1 - 0.225)


def test_the_three_shapes_lie_in_order():
    concave, linear, convex = (1 - given_target(shape=shape).diagonal() for shape in ("concave", "linear", "convex"))
    assert (concave[1:3] > linear[1:3]).all()
    assert (linear[1:3] > convex[1:3]).all()


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(0, 999), min_size=2, max_size=6).filter(any), seed=st.integers(0, 99))
def test_targets_stay_shares_whatever_the_counts_and_move_with_the_classes(counts, seed):
    generator = torch.Generator().manual_seed(seed)
    given_ = torch.rand(len(counts), len(counts), generator=generator, dtype=torch.float64).softmax(1)
    found = given_target(counts, given_)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(len(counts), dtype=torch.float64))
    order = torch.randperm(len(counts), generator=generator)
    moved = given_target([counts[k] for k in order], given_[:, order])
    torch.testing.assert_close(moved, found[:, order])


@pytest.mark.parametrize("counts", [(7, 7, 7, 7), (7, 0, 7, 0)])
def test_equal_counts_are_label_smoothing_by_the_mean(counts):
    logits, labels, target = batch()
    expected = F.cross_entropy(logits, labels, reduction="none", label_smoothing=0.25)
    torch.testing.assert_close(smoothed(counts, head=0.4, tail=0.1)(logits, target), expected)


def test_a_class_without_rows_leaves_the_others_as_they_are():
    target = given_target((900, 90, 10, 0), head=0.4, tail=0.1)
    torch.testing.assert_close(target.diagonal()[2], torch.tensor(1 - 0.075, dtype=torch.float64))
    torch.testing.assert_close(target.diagonal()[3], torch.tensor(1 - 0.075, dtype=torch.float64))


def test_a_mixed_target_has_the_mean_loss_of_its_classes():
    logits, _, target = batch()
    other = target.roll(1, dims=1)
    loss = smoothed()
    torch.testing.assert_close(
        loss(logits, 0.3 * target + 0.7 * other), 0.3 * loss(logits, target) + 0.7 * loss(logits, other)
    )


def test_without_smoothing_it_is_the_criterion_itself():
    assert smoothed(head=0, tail=0) is cross_entropy


def test_the_ledger_sees_the_smoothed_frequencies():
    counts = torch.tensor(COUNTS)
    prior = counts.double() / counts.sum()
    found = ledger_of(counts, counts, prior, None, smoothed(shape="linear")).effective
    epsilon = torch.tensor([0.3 * (n - 10) / 890 for n in COUNTS], dtype=torch.float64)
    torch.testing.assert_close(found, prior * (1 - epsilon) + (prior * epsilon).sum() / 4, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_are_finite(dtype):
    logits = torch.tensor([[1e4, -1e4, 0.0, 0.0], [-1e4, 1e4, 0.0, 0.0]]).to(dtype).requires_grad_()
    loss = smoothed()(logits.float(), torch.eye(4)[:2])
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


def test_options_are_checked():
    for name in ("head", "tail"):
        with pytest.raises(OptionError, match=f"option '{name}' of strategy 'label-aware-smoothing'"):
            LabelAwareSmoothing(**{name: 1.0})
    with pytest.raises(OptionError, match="option 'shape' of strategy 'label-aware-smoothing'"):
        LabelAwareSmoothing(shape="round")
