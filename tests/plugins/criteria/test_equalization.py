"""The softmax equalization loss against the numbers of a published code, the formula, and what it leaves out."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import Draw, RunContext
from imbtk.errors import OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk_plugins.criteria.equalization import Equalization

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
    return Equalization(**options).imbtk_adjust_criterion(criterion, context(counts))


class Fixed:
    """A draw of given numbers."""

    def __init__(self, uniform):
        self._uniform = uniform

    def uniform(self, columns):
        assert columns == self._uniform.shape[1]
        return self._uniform


def draw(rows=8, seed=0):
    return Draw(seed, "equalization", positions=np.arange(rows))


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ({}, [0.0, 0.002934, 0.441181, 1.881532, 0.0, 1.11896, 0.013909, 0.0]),
        (
            {"gamma": 0.5, "threshold": 0.02},
            [2.774899, 0.376827, 0.848751, 3.724518, 1.467817, 1.234876, 0.013909, 1.78647],
        ),
    ],
)
def test_it_gives_the_numbers_of_a_published_code(options, published):
    # BagofTricks-LT, equalization_loss.py, SEQL with λ = 1 / (2K) and these numbers for its torch.rand, float32.
    uniform = torch.tensor([[(0.37 * i + 0.61 * j) % 1 for j in range(K)] for i in range(8)])
    loss = made(**options)(LOGITS, TARGET, draw=Fixed(uniform))
    assert loss.tolist() == pytest.approx(published, rel=3e-6, abs=1e-6)


def test_it_is_the_formula():
    uniform, expected = draw().uniform(K).tolist(), []
    for row, (z, y) in enumerate(zip(LOGITS.tolist(), LABELS.tolist(), strict=True)):
        w = [1 - (uniform[row][k] < 0.6) * (COUNTS[k] / 569 < 0.11) * (k != y) for k in range(K)]
        expected.append(-math.log(math.exp(z[y]) / sum(w[k] * math.exp(z[k]) for k in range(K))))
    loss = made(gamma=0.6, threshold=0.11)(LOGITS, TARGET, draw=draw())
    assert loss.tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "options"),
    [(COUNTS, {"gamma": 0}), ((9, 9, 9, 9), {}), ((9, 9, 9, 0), {}), (COUNTS, {"threshold": 1e-9})],
)
def test_without_chance_or_rare_classes_it_is_cross_entropy_also_on_soft_targets(counts, options):
    for target in (TARGET, 0.7 * TARGET + 0.3 * TARGET.roll(1, dims=0)):
        loss = made(counts, **options)(LOGITS, target, draw=draw())
        torch.testing.assert_close(loss, cross_entropy(LOGITS, target))


def test_what_is_left_out_carries_no_gradient():
    logits = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(made(gamma=1)(logits, TARGET, draw=draw()).sum(), logits)
    wrong = TARGET == 0
    # Classes b, c and d have less than an eighth of the rows.
    assert (gradient[:, 1:][wrong[:, 1:]].abs() < 1e-30).all()
    assert (gradient[:, 0][wrong[:, 0]] > 0).all()


def test_classes_are_left_out_as_often_as_said():
    seen = []
    made(criterion=lambda logits, target: seen.append(logits) or logits.sum(1))(
        torch.zeros(20_000, K), F.one_hot(torch.zeros(20_000, dtype=torch.int64), K), draw=draw(20_000)
    )
    assert (seen[0] < -80).float().mean(0).tolist() == pytest.approx([0, 0.9, 0.9, 0.9], abs=0.01)


def test_a_soft_target_goes_over_into_the_hard_one():
    almost = (1 - 1e-9) * TARGET + 1e-9 * TARGET.roll(1, dims=1)
    torch.testing.assert_close(
        made()(LOGITS, almost, draw=draw()), made()(LOGITS, TARGET, draw=draw()), rtol=0, atol=1e-6
    )


def test_classes_in_another_order_give_the_same_under_their_own_numbers():
    order, uniform = torch.tensor([2, 0, 3, 1]), draw().uniform(K)
    other = made(tuple(COUNTS[k] for k in order.tolist()))
    torch.testing.assert_close(
        other(LOGITS[:, order], TARGET[:, order], draw=Fixed(uniform[:, order])),
        made()(LOGITS, TARGET, draw=Fixed(uniform)),
    )


def test_a_row_draws_the_same_in_another_batch():
    whole = made()(LOGITS, TARGET, draw=draw())
    half = made()(LOGITS[4:], TARGET[4:], draw=Draw(0, "equalization", positions=np.arange(4, 8)))
    torch.testing.assert_close(whole[4:], half, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_and_all_left_out_stay_finite(dtype):
    logits = torch.tensor([[1e4, -1e4, 0, 3], [60, -60, 60, 60], [0, 0, 0, 0]], dtype=dtype, requires_grad=True)
    for row in ([1.0, 0, 0, 0], [0, 0, 0, 1.0], [0.4, 0.3, 0.2, 0.1]):
        loss = made((500, 60, 7, 0), gamma=1, threshold=1)(logits, torch.tensor([row] * 3), draw=draw(3))
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()


def test_a_threshold_that_makes_no_class_rare_is_refused():
    with pytest.raises(OptionError, match=r"'threshold' of strategy .* 0\.003, .* 'd', the rarest, has 0\.00351"):
        Equalization(threshold=0.003).check_run(context())
    Equalization(threshold=0.004).check_run(context())
    Equalization().check_run(context((9, 9, 9, 9)))
    for options in ({"gamma": 1.1}, {"threshold": 0}):
        with pytest.raises(OptionError, match=f"'{next(iter(options))}' of strategy 'equalization'"):
            Equalization(**options)


def test_the_ledger_says_that_nobody_knows_the_prior():
    config = make_config({"data": "builtin:digits", "epochs": 1, "model": "mlp", "device": "cpu"})
    (phase,) = prepare(config, None, ["equalization"]).plan.phases
    assert phase.ledger.effective is None
    assert not phase.exact


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["equalization"])
