"""LDAM against the numbers of the published code, the formula in plain numbers, and what it refuses."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from plugins.resumed import resumed_equals_uninterrupted
from torch import nn

import imbtk
from imbtk import RunContext, Strategy, hookimpl
from imbtk.errors import ConflictError, OptionError, PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import make_network
from imbtk_plugins.criteria.cosines.ldam import LDAM

COUNTS = (500, 60, 7, 2)
K = 4
COSINES = torch.tensor(
    [[math.sin(1.7 * i + 2.3 * j + 0.4 * i * j) for j in range(K)] for i in range(8)], dtype=torch.float64
)
LABELS = torch.tensor([0, 0, 1, 2, 0, 3, 1, 0])
TARGET = F.one_hot(LABELS, K).double()


def made(counts=COUNTS, **options):
    counts = torch.tensor(counts)
    return LDAM(**options).imbtk_criterion(
        RunContext(tuple("abcd"[: len(counts)]), counts, counts, torch.arange(len(counts)))
    )


def on_paper(cosines, y, margins, s):
    """Return the loss of one sample as the paper has it."""
    logits = [s * (c - (margins[y] if k == y else 0)) for k, c in enumerate(cosines)]
    most = max(logits)
    return -logits[y] + most + math.log(sum(math.exp(z - most) for z in logits))


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ({}, [26.150051, 0.016298, 3.971793, 46.487995, 15.792635, 22.235163, 5.187374, 48.694603]),
        (
            {"margin": 0.3, "scale": 10},
            [8.3838, 0.14301, 0.991289, 14.035675, 4.769762, 5.419602, 1.221811, 15.728613],
        ),
    ],
)
def test_it_gives_the_numbers_of_the_published_code(options, published):
    # kaidic/LDAM-DRW, losses.py, LDAMLoss(COUNTS, max_m, s=s), one sample at a time, float32.
    loss = made(**options)(options.get("scale", 30.0) * COSINES, TARGET)
    assert loss.tolist() == pytest.approx(published, rel=2e-6, abs=2e-6)


@given(
    st.lists(st.integers(1, 10**6), min_size=2, max_size=6),
    st.floats(0, 2),
    st.floats(0.5, 60),
    st.randoms(use_true_random=False),
)
def test_it_is_the_formula(counts, margin, s, random):
    raw = [n**-0.25 for n in counts]
    margins = [margin * m / max(raw) for m in raw]
    cosines = [[random.uniform(-1, 1) for _ in counts] for _ in counts]
    logits = s * torch.tensor(cosines, dtype=torch.float64)
    context = RunContext(tuple(map(str, range(len(counts)))), torch.tensor(counts), torch.tensor(counts), LABELS)
    loss = LDAM(margin=margin, scale=s).imbtk_criterion(context)(logits, torch.eye(len(counts), dtype=torch.float64))
    expected = [on_paper(row, y, margins, s) for y, row in enumerate(cosines)]
    assert loss.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_no_margin_is_cross_entropy_also_on_soft_targets():
    for target in (TARGET, 0.7 * TARGET + 0.3 * TARGET.roll(1, dims=0)):
        expected = F.cross_entropy(30 * COSINES, target, reduction="none")
        torch.testing.assert_close(made(margin=0)(30 * COSINES, target), expected)


def test_equal_counts_give_each_class_the_whole_margin():
    expected = F.cross_entropy(30 * (COSINES - 0.5 * TARGET), LABELS, reduction="none")
    torch.testing.assert_close(made((9, 9, 9, 9))(30 * COSINES, TARGET), expected)


def test_a_soft_target_is_the_mean_of_losses_as_the_code_of_mixing_has_it():
    criterion, other = made(), TARGET.roll(1, dims=0)
    mixed = criterion(30 * COSINES, 0.7 * TARGET + 0.3 * other)
    torch.testing.assert_close(mixed, 0.7 * criterion(30 * COSINES, TARGET) + 0.3 * criterion(30 * COSINES, other))


def test_classes_in_another_order_give_the_same():
    order = torch.tensor([2, 0, 3, 1])
    counts = tuple(COUNTS[k] for k in order.tolist())
    torch.testing.assert_close(made(counts)(30 * COSINES[:, order], TARGET[:, order]), made()(30 * COSINES, TARGET))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_and_a_class_without_rows_stay_finite(dtype):
    logits = torch.tensor([[1e4, -1e4, 0, 3], [60, -60, 60, 60], [0, 0, 0, 0]], dtype=dtype, requires_grad=True)
    for row in ([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0.4, 0.3, 0.2, 0.1]):
        loss = made((500, 60, 7, 0))(logits, torch.tensor([row] * 3))
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()
    # A leader by far is not lost to rounding: 40 ahead and a margin of 15 leave 25.
    ahead = torch.tensor([[40.0, 0.0]])
    assert made((1, 500))(ahead, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(math.exp(-25), rel=1e-4)


def test_a_class_without_rows_moves_no_other_margin():
    criterion = made((500, 60, 2, 0))
    expected = made((500, 60, 2))(30 * COSINES[:2, :3], TARGET[:2, :3])
    logits = torch.cat([30 * COSINES[:2, :3], torch.full((2, 1), -1e3, dtype=torch.float64)], 1)
    torch.testing.assert_close(criterion(logits, TARGET[:2]), expected)


def test_half_precision_is_judged_in_float32():
    logits = (30 * COSINES).bfloat16()
    torch.testing.assert_close(made()(logits, TARGET), made()(logits.float(), TARGET))


class OtherHead(Strategy):
    """Put a linear head into the network."""

    @hookimpl
    def imbtk_network(self, network):
        network.head = nn.Linear(network.branch_width, network.head.out_features)


def config(**options):
    return make_config({"data": "builtin:digits", "epochs": 2, "model": "mlp", "device": "cpu", **options})


def test_a_network_without_its_head_is_refused_before_training():
    with pytest.raises(PlanError, match=r"'ldam' needs the head that it makes, cosines times 30, and .* 'Linear'"):
        make_network(prepare(config(), None, [OtherHead(), LDAM()]))
    with pytest.raises(ConflictError, match="'cosine-head"):
        make_network(prepare(config(), None, ["cosine-head", "ldam"]))


def test_a_loop_of_ones_own_cannot_use_the_loss_without_its_head():
    composition = imbtk.compose([LDAM()], labels=[0, 0, 0, 1])
    with pytest.raises(PlanError, match=r"train with composition.steps\(network"):
        composition.criterion(torch.randn(2, 2), torch.tensor([0, 1]))


@pytest.mark.parametrize("options", [{"margin": -0.1}, {"margin": 2.1}, {"scale": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match=f"'{next(iter(options))}' of strategy 'ldam'"):
        LDAM(**options)


def test_it_goes_with_experts_and_deferred_weights():
    prepared = prepare(config(), None, ["ride", "ldam", "class-weights:scheme=effective@50%-"])
    network = make_network(prepared)
    network.branch(3)
    LDAM().imbtk_network(network)
    assert [phase.ledger.known_index for phase in prepared.plan.phases] == [None, None]
    assert prepared.plan.phases[1].ledger.index > 0.3


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["ldam@1-", "class-weights@2-"])
