"""Gaussian clouded logits against the numbers of the published code, the formula, and its noise."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted
from torch import nn

from imbtk import Draw, RunContext, Strategy, hookimpl
from imbtk.errors import ConflictError, OptionError, PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import make_network
from imbtk_plugins.criteria.cosines.gcl import GCL

COUNTS = (500, 60, 7, 2)
K = 4
COSINES = torch.tensor(
    [[math.sin(1.7 * i + 2.3 * j + 0.4 * i * j) for j in range(K)] for i in range(8)], dtype=torch.float64
)
LABELS = torch.tensor([0, 0, 1, 2, 0, 3, 1, 0])
TARGET = F.one_hot(LABELS, K).double()


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def made(counts=COUNTS, criterion=cross_entropy, **options):
    counts = torch.tensor(counts)
    context = RunContext(tuple("abcd"[: len(counts)]), counts, counts, torch.arange(len(counts)))
    return GCL(**options).imbtk_adjust_criterion(criterion, context)


class Fixed:
    """A draw of given numbers."""

    def __init__(self, normal):
        self._normal = normal

    def normal(self, columns):
        assert columns == self._normal.shape[1]
        return self._normal


def draw(rows=8, seed=0):
    return Draw(seed, "gcl", positions=np.arange(rows))


def test_it_gives_the_numbers_of_the_published_code():
    # Keke921/GCLLoss, losses.py, GCLLoss(COUNTS, m=0, s=30, noise_mul=0.5) with these numbers for its noise, some cut.
    noise = torch.tensor([[1.4 * math.cos(3.1 * i + 1.3 * j) for j in range(K)] for i in range(8)])
    published = [20.214022, 0.0, 1.3e-05, 44.01059, 0.92726, 22.235163, 0.000178, 29.922306]
    loss = made()(30 * COSINES, TARGET, draw=Fixed(3 * noise))
    assert loss.tolist() == pytest.approx(published, rel=2e-6, abs=1e-6)


def test_it_is_the_formula():
    z = draw().normal(K).double()
    expected = []
    for row, (cosines, y) in enumerate(zip(COSINES.tolist(), LABELS.tolist(), strict=True)):
        logits = []
        for c, cosine in enumerate(cosines):
            epsilon = max(-1.0, min(1.0, z[row, c].item() / 3))
            share = (math.log(500) - math.log(COUNTS[c])) / (math.log(500) - math.log(2))
            logits.append(20 * (cosine - 0.8 * abs(epsilon) * share))
        expected.append(-logits[y] + math.log(sum(math.exp(v) for v in logits)))
    loss = made(amplitude=0.8, scale=20)(20 * COSINES, TARGET, draw=draw())
    assert loss.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("counts", [(9, 9, 9, 9), (0, 9, 9, 9)])
def test_equal_counts_leave_the_classes_that_have_rows_alone(counts):
    logits = 30 * COSINES.clone()
    logits[:, 0] -= 1e4  # the class that may be without rows plays no part
    keep = LABELS > 0
    loss = made(counts)(logits, TARGET, draw=draw())
    torch.testing.assert_close(loss[keep], cross_entropy(logits, TARGET)[keep])


def test_no_amplitude_is_the_criterion_given():
    seen = made(criterion=lambda logits, target: logits.sum(1), amplitude=0)(30 * COSINES, TARGET, draw=draw())
    torch.testing.assert_close(seen, 30 * COSINES.sum(1))


def test_a_soft_target_is_the_mean_of_losses_under_the_same_noise():
    other, criterion = TARGET.roll(1, dims=0), made()
    mixed = criterion(30 * COSINES, 0.7 * TARGET + 0.3 * other, draw=draw())
    parts = criterion(30 * COSINES, TARGET, draw=draw()), criterion(30 * COSINES, other, draw=draw())
    torch.testing.assert_close(mixed, 0.7 * parts[0] + 0.3 * parts[1])


def test_the_noise_lowers_a_class_by_its_share_of_half_a_normal():
    lowered = []
    made(criterion=lambda logits, target: lowered.append(logits) or logits.sum(1))(
        torch.zeros(20_000, K), torch.zeros(20_000, K), draw=draw(20_000)
    )
    share = torch.tensor([math.log(500 / n) / math.log(250) for n in COUNTS])
    mean = 15 * math.sqrt(2 / math.pi) / 3  # of |N(0, 1/3)|; the cut at three deviations takes off 0.1 %
    torch.testing.assert_close(lowered[0].mean(0), -mean * share, rtol=0.02, atol=1e-6)
    assert lowered[0].amin(0).tolist() == pytest.approx((-15 * share).tolist(), rel=1e-4)


def test_classes_in_another_order_give_the_same_under_their_own_noise():
    order, noise = torch.tensor([2, 0, 3, 1]), draw().normal(K)
    counts = tuple(COUNTS[k] for k in order.tolist())
    torch.testing.assert_close(
        made(counts)(30 * COSINES[:, order], TARGET[:, order], draw=Fixed(noise[:, order])),
        made()(30 * COSINES, TARGET, draw=Fixed(noise)),
    )


def test_a_row_draws_the_same_in_another_batch():
    whole = made()(30 * COSINES, TARGET, draw=draw())
    half = made()(30 * COSINES[4:], TARGET[4:], draw=Draw(0, "gcl", positions=np.arange(4, 8)))
    torch.testing.assert_close(whole[4:], half, rtol=0, atol=0)
    assert not torch.equal(whole, made()(30 * COSINES, TARGET, draw=draw(seed=1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_and_a_class_without_rows_stay_finite(dtype):
    logits = torch.tensor([[1e4, -1e4, 0, 3], [60, -60, 60, 60], [0, 0, 0, 0]], dtype=dtype, requires_grad=True)
    for row in ([1, 0, 0, 0], [0, 0, 0, 1], [0.4, 0.3, 0.2, 0.1]):
        loss = made((500, 60, 7, 0))(logits, torch.tensor([row] * 3).float(), draw=draw(3))
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()


class OtherHead(Strategy):
    """Put a linear head into the network."""

    @hookimpl
    def imbtk_network(self, network):
        network.head = nn.Linear(network.branch_width, network.head.out_features)


def test_a_network_without_its_head_is_refused_before_training():
    config = make_config({"data": "builtin:digits", "epochs": 1, "model": "mlp", "device": "cpu"})
    with pytest.raises(PlanError, match=r"'gcl' needs the head that it makes, cosines times 30, and .* 'Linear'"):
        make_network(prepare(config, None, [OtherHead(), GCL()]))
    with pytest.raises(ConflictError, match="'ldam"):
        make_network(prepare(config, None, ["ldam", "gcl"]))


def test_the_ledger_says_that_nobody_knows_the_prior():
    config = make_config({"data": "builtin:digits", "epochs": 1, "model": "mlp", "device": "cpu"})
    (phase,) = prepare(config, None, ["gcl"]).plan.phases
    assert phase.ledger.effective is None
    assert not phase.exact


@pytest.mark.parametrize("options", [{"amplitude": -0.1}, {"amplitude": 2.1}, {"scale": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match=f"'{next(iter(options))}' of strategy 'gcl'"):
        GCL(**options)


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["gcl"])
