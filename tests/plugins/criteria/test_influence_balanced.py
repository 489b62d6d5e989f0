"""The influence-balanced loss against the numbers of the published code, the formula, and its weights in the ledger."""

import math

import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import RunContext
from imbtk.errors import ConflictError, ImbtkError, OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk_plugins.criteria.influence_balanced import InfluenceBalanced

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


FEATURES = torch.tensor([[math.cos(0.9 * i + 0.5 * d) for d in range(5)] for i in range(8)], dtype=torch.float64)


def made(**options):
    return InfluenceBalanced(**options).imbtk_criterion(context())


def weights(counts=COUNTS):
    return InfluenceBalanced().imbtk_class_weights(context(counts))


def test_it_gives_the_numbers_of_the_published_code_and_their_gradients():
    # pseulki/IB-Loss, losses.py, IBLoss(weight of mean 1 over the classes, alpha=1000), one sample at a time, float32.
    published = [6.165, 2.5831, 20.6808, 506.6338, 4.2422, 839.1426, 17.9634, 9.6649]
    of_logits = [[-1.6981, 1.0542, 0.0057, 0.6382], [-0.3898, 0.0024, 0.3735, 0.014]]
    of_features = [[-2.122, -2.122, -2.122, -2.122, 2.122], [-0.9145, -0.9145, 0.9145, 0.9145, 0.9145]]
    logits, features = LOGITS.clone().requires_grad_(), FEATURES.clone().requires_grad_()
    scaled = weights() * K / weights().sum()
    loss = made()(logits, TARGET, features=features) * scaled[LABELS]
    gradients = torch.autograd.grad(loss.sum(), [logits, features])
    assert loss.tolist() == pytest.approx(published, rel=2e-5)
    torch.testing.assert_close(gradients[0][:2], torch.tensor(of_logits).double(), rtol=0, atol=6e-5)
    torch.testing.assert_close(gradients[1][:2], torch.tensor(of_features).double(), rtol=0, atol=6e-5)


def test_it_is_the_formula():
    expected = []
    for z, y, h in zip(LOGITS.tolist(), LABELS.tolist(), FEATURES.tolist(), strict=True):
        p = [math.exp(v) / sum(map(math.exp, z)) for v in z]
        influence = sum(abs(p[k] - (k == y)) for k in range(K)) * sum(map(abs, h))
        expected.append(-math.log(p[y]) * 50 / (influence + 0.001))
    assert made(alpha=50)(LOGITS, TARGET, features=FEATURES).tolist() == pytest.approx(expected, rel=1e-9)


def test_the_divisor_is_the_size_of_the_gradient_on_the_head():
    head = torch.randn(K, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    for row in range(8):
        loss = cross_entropy(FEATURES[row : row + 1] @ head.T, TARGET[row : row + 1])
        (gradient,) = torch.autograd.grad(loss.sum(), head)
        found = made()((FEATURES @ head.T)[row : row + 1], TARGET[row : row + 1], features=FEATURES[row : row + 1])
        assert found.item() == pytest.approx(1000 * loss.item() / (gradient.abs().sum().item() + 0.001), rel=1e-9)


def test_a_soft_target_goes_over_into_the_hard_one():
    almost = (1 - 1e-9) * TARGET + 1e-9 * TARGET.roll(1, dims=1)
    torch.testing.assert_close(
        made()(LOGITS, almost, features=FEATURES), made()(LOGITS, TARGET, features=FEATURES), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_extreme_logits_and_features_stay_finite(dtype, size):
    logits = torch.tensor([[1e4, -1e4, 0, 3], [60, -60, 60, 60], [0, 0, 0, 0]], dtype=dtype, requires_grad=True)
    features = torch.full((3, 5), size, dtype=dtype, requires_grad=True)
    for row in ([1.0, 0, 0, 0], [0, 1, 0, 0], [0.4, 0.3, 0.2, 0.1]):
        loss = made()(logits, torch.tensor([row] * 3), features=features)
        gradients = torch.autograd.grad(loss.sum(), [logits, features])
        assert loss.dtype == torch.float32
        assert all(torch.isfinite(part).all() for part in (loss, *gradients))


def test_weights_are_inverse_counts_and_none_without_rows():
    assert weights((500, 60, 7, 0)).tolist() == pytest.approx([1 / 500, 1 / 60, 1 / 7, 0])


def planned(*strategies):
    config = make_config({"data": "builtin:digits", "epochs": 4, "model": "mlp", "device": "cpu"})
    return prepare(config, None, list(strategies)).plan.phases


def test_the_ledger_knows_its_weights_in_its_window():
    before, during = planned("influence-balanced@50%-")
    assert before.ledger.known_index == pytest.approx(0, abs=1e-9)
    assert during.ledger.known_index == pytest.approx(1)
    assert not during.exact


def test_weights_that_come_twice_are_refused():
    with pytest.raises(ConflictError, match=r"class weights is claimed by .*'influence-balanced"):
        planned("class-weights", "influence-balanced")
    with pytest.raises(ImbtkError, match="oversample"):
        planned("oversample", "influence-balanced")
    with pytest.raises(OptionError, match="'alpha' of strategy 'influence-balanced'"):
        InfluenceBalanced(alpha=0)


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["influence-balanced@1-"])
