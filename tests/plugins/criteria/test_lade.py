"""LADE against the numbers of the published code, its bound in plain numbers, balanced softmax, and the ledger."""

import math

import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import RunContext
from imbtk.errors import ImbtkError, OptionError, PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import make_network
from imbtk_plugins.criteria.lade import LADE

COUNTS = (500, 60, 7, 2)
K = 4
LOGITS = torch.tensor(
    [[3 * math.sin(1.7 * i + 2.3 * j + 0.4 * i * j) for j in range(K)] for i in range(8)], dtype=torch.float64
)
LABELS = torch.tensor([0, 0, 1, 2, 0, 3, 1, 0])
TARGET = F.one_hot(LABELS, K).double()


def context(counts=COUNTS):
    counts = torch.tensor(counts)
    return RunContext(tuple("abcd"[: len(counts)]), counts, counts, torch.arange(len(counts)))


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def made(counts=COUNTS, criterion=cross_entropy, **options):
    return LADE(**options).imbtk_adjust_criterion(criterion, context(counts))


def second(logits, target, counts=COUNTS, **options):
    """Return the second term: the loss over a criterion of nothing, with α = 1."""
    nothing = made(counts, lambda logits, target: torch.zeros_like(logits[:, 0]), alpha=1, **options)
    return nothing(logits, target)


def balanced(logits, target, counts=COUNTS):
    return cross_entropy(logits + torch.tensor(counts, dtype=torch.float64).log(), target)


def test_it_gives_the_numbers_of_the_published_code_and_their_gradients():
    # hyperconnect/LADE: LADELoss(remine_lambda=0.01), and PriorCELoss + 0.1 times it, on all classes, float32.
    logits = LOGITS.clone().requires_grad_()
    term = second(logits, TARGET)
    assert term.tolist() == pytest.approx([-0.155742392] * 8, abs=5e-7)
    assert made()(LOGITS, TARGET).mean().item() == pytest.approx(1.8045427, rel=1e-6)
    (gradient,) = torch.autograd.grad(term[0], logits)
    published = [[-1.9566e-01, 3.3016e-02, 2.0609e-05, 7.7284e-04], [2.5096e-01, 2.0292e-04, 3.6181e-03, 4.5391e-05]]
    torch.testing.assert_close(gradient[:2], torch.tensor(published).double(), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("importance", ["classes", "rows"])
def test_it_is_the_formula(importance):
    pi, expected = [n / 569 for n in COUNTS], 0.0
    for c in range(K):
        v = [1 / (K * pi[c if importance == "classes" else y]) for y in LABELS.tolist()]
        r = math.log(sum(w * math.exp(z[c]) for w, z in zip(v, LOGITS.tolist(), strict=True)) / 8)
        own = [z[c] for z, y in zip(LOGITS.tolist(), LABELS.tolist(), strict=True) if y == c]
        expected += pi[c] * (-sum(own) / len(own) + r + 0.3 * r**2)
    found = second(LOGITS, TARGET, importance=importance, regularization=0.3)
    assert found.tolist() == pytest.approx([expected] * 8, rel=1e-9)


def test_soft_targets_hold_less_than_a_row_of_a_class():
    target = torch.tensor([[0.9, 0.1, 0.0, 0.0], [0.8, 0.0, 0.2, 0.0]], dtype=torch.float64)
    logits, pi, expected = LOGITS[:2], [n / 569 for n in COUNTS], 0.0
    for c in range(K):
        held = [row[c] for row in target.tolist()]
        if sum(held) == 0:
            continue
        r = math.log(sum(math.exp(z[c]) for z in logits.tolist()) / 2 / (K * pi[c]))
        own = sum(t * z[c] for t, z in zip(held, logits.tolist(), strict=True)) / sum(held)
        expected += pi[c] * (-own + r + 0.3 * r**2)
    found = second(logits, target, importance="classes", regularization=0.3)
    assert found.tolist() == pytest.approx([expected] * 2, rel=1e-9)


def test_a_class_that_the_batch_does_not_hold_is_left_out():
    logits = LOGITS[:4].clone().requires_grad_()
    target = TARGET[:4]  # without the fourth class
    (gradient,) = torch.autograd.grad(second(logits, target)[0], logits)
    assert (gradient[:, 3] == 0).all()
    assert (gradient[:, :3] != 0).any(0).all()
    assert second(LOGITS[:1], TARGET[:1]).isfinite().all()


def test_without_the_second_term_it_is_balanced_softmax_and_equal_counts_change_no_class():
    for target in (TARGET, 0.7 * TARGET + 0.3 * TARGET.roll(1, dims=0)):
        torch.testing.assert_close(made(alpha=0)(LOGITS, target), balanced(LOGITS, target))
    equal = second(LOGITS, TARGET, (9, 9, 9, 9))
    torch.testing.assert_close(equal, second(LOGITS, TARGET, (9, 9, 9, 9), importance="rows"))


def test_with_no_regularisation_a_shift_of_a_logit_counts_for_nothing():
    shifted = LOGITS + torch.tensor([3.0, -1.0, 0.5, 10.0])
    torch.testing.assert_close(second(shifted, TARGET, regularization=0), second(LOGITS, TARGET, regularization=0))


def test_a_soft_target_goes_over_into_the_hard_one():
    almost = (1 - 1e-9) * TARGET + 1e-9 * TARGET.roll(1, dims=1)
    for importance in ("classes", "rows"):
        options = {"importance": importance}
        torch.testing.assert_close(
            second(LOGITS, almost, **options), second(LOGITS, TARGET, **options), rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("importance", ["classes", "rows"])
def test_classes_and_rows_in_another_order_give_the_same(importance):
    order, rows = torch.tensor([2, 0, 3, 1]), torch.tensor([3, 1, 0, 2, 7, 6, 5, 4])
    other = made(tuple(COUNTS[k] for k in order.tolist()), importance=importance)
    found = other(LOGITS[rows][:, order], TARGET[rows][:, order])
    torch.testing.assert_close(found, made(importance=importance)(LOGITS, TARGET)[rows])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("importance", ["classes", "rows"])
def test_extreme_logits_and_a_class_without_rows_stay_finite(dtype, importance):
    logits = torch.tensor([[1e4, -1e4, 0, 3], [60, -60, 60, 60], [0, 0, 0, 0]], dtype=dtype, requires_grad=True)
    for row in ([1.0, 0, 0, 0], [0, 0, 0, 1.0], [0.4, 0.3, 0.2, 0.1]):
        loss = made((500, 60, 7, 0), importance=importance)(logits, torch.tensor([row] * 3))
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()


def planned(*strategies, **options):
    config = make_config({"data": "builtin:digits", "epochs": 1, "model": "mlp", "device": "cpu", **options})
    return prepare(config, None, list(strategies))


def test_the_ledger_finds_nearly_equal_classes():
    (phase,) = planned("lade").plan.phases
    assert phase.ledger.known_index == pytest.approx(1, abs=0.01)
    assert not phase.exact
    for other in ("class-weights", "oversample", "balanced-softmax"):
        with pytest.raises(ImbtkError, match=other):
            planned("lade", other)


def test_batches_are_not_cut():
    with pytest.raises(PlanError, match="'lade' looks at a whole batch at once"):
        make_network(planned("lade", accumulate=2))


@pytest.mark.parametrize("options", [{"alpha": -1}, {"regularization": -1}, {"importance": "samples"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match=f"'{next(iter(options))}' of strategy 'lade'"):
        LADE(**options)


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["lade"])
