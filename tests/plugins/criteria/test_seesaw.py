"""The seesaw loss against its formula in plain numbers, cross-entropy, and its counts in runs."""

import math

import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import RunContext, Strategy, hookimpl
from imbtk.authoring.weights import ascend
from imbtk.errors import PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.criteria.seesaw import Seesaw

K = 4


def made(seen=(0.0,) * K, **options):
    """Return a criterion that has seen so many rows of each class, and its strategy."""
    strategy = Seesaw(**options)
    counts = torch.tensor([1] * len(seen))
    context = RunContext(tuple("abcd"[: len(seen)]), counts, counts, torch.arange(len(seen)))
    criterion = strategy.imbtk_criterion(context)
    strategy.modules()["counts"].seen += torch.tensor(seen)
    return criterion, strategy


def drawn(rows=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, K, generator=generator, dtype=torch.float64)
    labels = torch.randint(K, (rows,), generator=generator)
    return logits, labels, F.one_hot(labels, K).double()


def on_paper(z, i, n, p, q):
    """Return the loss of one sample, as the paper's formulas read."""
    total = sum(math.exp(value) for value in z)
    sigma = [math.exp(value) / total for value in z]
    bottom = math.exp(z[i])
    for j in range(len(z)):
        if j == i:
            continue
        m = (n[j] / n[i]) ** p if n[j] < n[i] else 1.0
        c = (sigma[j] / max(sigma[i], 0.01)) ** q if sigma[j] > max(sigma[i], 0.01) else 1.0
        bottom += m * c * math.exp(z[j])
    return -math.log(math.exp(z[i]) / bottom)


@pytest.mark.parametrize(("p", "q"), [(0.8, 2.0), (0.8, 0.0), (0.0, 2.0), (0.5, 1.0)])
def test_it_is_the_formula_with_the_counts_so_far_this_batch_with_them(p, q):
    logits, labels, target = drawn()
    criterion, _ = made((500.0, 60.0, 7.0, 0.0), p=p, q=q)
    n = [max(c + before, 1) for c, before in zip(labels.bincount(minlength=K).tolist(), (500, 60, 7, 0), strict=True)]
    expected = [on_paper(z, i, n, p, q) for z, i in zip(logits.tolist(), labels.tolist(), strict=True)]
    assert criterion(logits, target).tolist() == pytest.approx(expected, rel=1e-9)


def test_without_its_factors_it_is_cross_entropy_also_on_soft_targets():
    logits, _, hard = drawn()
    for target in (hard, 0.7 * hard + 0.3 * hard.roll(1, dims=0)):
        criterion, _ = made((900.0, 90.0, 9.0, 1.0), p=0, q=0)
        torch.testing.assert_close(criterion(logits, target), F.cross_entropy(logits, target, reduction="none"))


def test_with_equal_counts_and_a_right_class_that_leads_it_is_cross_entropy():
    _, labels, target = drawn()
    logits = 2 * target + 0.1
    criterion, _ = made((1e6,) * K)
    torch.testing.assert_close(
        criterion(logits, target), F.cross_entropy(logits, labels, reduction="none"), rtol=1e-4, atol=0
    )


def test_a_soft_target_goes_over_into_the_hard_one():
    logits, _, hard = drawn()
    almost = (1 - 1e-9) * hard + 1e-9 * hard.roll(1, dims=1)
    seen = (500.0, 60.0, 7.0, 3.0)
    torch.testing.assert_close(made(seen)[0](logits, almost), made(seen)[0](logits, hard), rtol=1e-6, atol=1e-6)


def test_the_factors_carry_no_gradient():
    logits, _, target = drawn(rows=1)
    logits.requires_grad_()
    criterion, _ = made((500.0, 60.0, 7.0, 3.0))
    (gradient,) = torch.autograd.grad(criterion(logits, target).sum(), logits)
    # A softmax of logits that are shifted by numbers: its gradient sums to nothing.
    assert gradient.sum().item() == pytest.approx(0.0, abs=1e-12)


class Sam(Strategy):
    """Take the gradient at the worst point nearby."""

    @hookimpl
    def imbtk_step(self, step):
        def worst(optimizer, closure):
            def there():
                loss = closure()
                moved = ascend(optimizer, 0.05)
                try:
                    closure()
                finally:
                    moved.back()
                return loss

            return step(optimizer, there)

        return worst


@pytest.mark.parametrize("others", [[], [Sam()], ["oversample"]])
def test_each_row_that_is_shown_is_counted_once(others):
    config = make_config({"data": "builtin:breast-cancer", "epochs": 2, "model": "linear", "device": "cpu"})
    prepared = prepare(config, None, [Seesaw(), *others])
    seesaw = prepared.plan.strategies.items[0].strategy
    fit(prepared, make_network(prepared))
    (phase,) = prepared.plan.phases
    shown = sum(torch.bincount(phase.labels[phase.order(epoch)], minlength=2) for epoch in range(2))
    assert (seesaw.modules()["counts"].seen - shown).abs().max() <= 2  # a last row alone is left out of an epoch


def test_batches_are_not_cut():
    config = make_config({"data": "builtin:breast-cancer", "epochs": 1, "accumulate": 2, "device": "cpu"})
    prepared = prepare(config, None, [Seesaw()])
    with pytest.raises(PlanError, match="'seesaw' looks at a whole batch at once"):
        make_network(prepared)


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["seesaw"], data="builtin:breast-cancer")
    assert resumed_equals_uninterrupted(["seesaw@1-", "class-weights@0-1"], data="builtin:breast-cancer")
