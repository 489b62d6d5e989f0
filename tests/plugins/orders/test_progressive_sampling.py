"""Progressively-balanced sampling: against the authors' own numbers, counting, and what a run's ledger says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import Draw, Phase, RunContext
from imbtk.errors import DataError, OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk_plugins.orders.progressive_sampling import ProgressiveSampling


def context(counts, epochs=5, start=0, phase=None):
    """Return what a hook is told of a window from `start` on, `epochs` long."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    counts = torch.tensor(counts)
    window = Phase(0, start, start + epochs)
    names = tuple(f"c{i}" for i in range(len(counts)))
    return RunContext(names, counts, counts, labels, window=window, phase=window if phase is None else phase)


def shown(strategy, ctx, epoch, seed=0):
    rows = strategy.imbtk_epoch_order(ctx).draw_epoch(epoch, Draw(seed, "progressive-sampling", epoch))
    return torch.bincount(ctx.labels[rows], minlength=ctx.num_classes)


# Class probabilities of MixedPrioritizedSampler(epochs=5, manual_only=True) of facebookresearch/classifier-balancing,
# run on 60, 30, 8 and 2 rows.
PUBLISHED = [
    [0.6, 0.3, 0.08, 0.02],
    [0.5125, 0.2875, 0.1225, 0.0775],
    [0.425, 0.275, 0.165, 0.135],
    [0.3375, 0.2625, 0.2075, 0.1925],
    [0.25, 0.25, 0.25, 0.25],
]


@pytest.mark.parametrize("start", [0, 7])
def test_class_probabilities_are_the_published_ones(start):
    for turn, expected in enumerate(PUBLISHED):
        epoch = start + turn
        # A phase of that epoch alone: its mass is the epoch's.
        ctx = context([60, 30, 8, 2], start=start, phase=Phase(0, epoch, epoch + 1))
        order = ProgressiveSampling().imbtk_epoch_order(ctx)
        np.testing.assert_allclose(order.class_mass, expected, rtol=1e-12)
        assert order.steady


@pytest.mark.parametrize("replacement", [False, True])
def test_epochs_have_these_probabilities(replacement):
    ctx = context([60, 30, 8, 2])
    strategy = ProgressiveSampling(replacement=replacement, epoch_size=1000)
    for epoch, expected in enumerate(PUBLISHED):
        counts = torch.stack([shown(strategy, ctx, epoch, seed) for seed in range(20)]).double()
        assert (counts.sum(1) == 1000).all()
        # Drawn one by one, a share of 20,000 rows has a standard error of 0.0035 at most; dealt out, it is exact.
        tolerance = 0.016 if replacement else 0.0005
        np.testing.assert_allclose(counts.mean(0) / 1000, expected, atol=tolerance)


def test_the_mass_of_a_phase_is_the_mean_over_its_epochs():
    whole = ProgressiveSampling().imbtk_epoch_order(context([60, 30, 8, 2]))
    np.testing.assert_allclose(whole.class_mass, np.mean(PUBLISHED, axis=0), rtol=1e-12)
    late = ProgressiveSampling().imbtk_epoch_order(context([60, 30, 8, 2], phase=Phase(1, 3, 5)))
    np.testing.assert_allclose(late.class_mass, np.mean(PUBLISHED[3:], axis=0), rtol=1e-12)
    assert not whole.steady
    assert not late.steady


def test_the_first_epoch_shows_every_row_once():
    ctx = context([60, 30, 8, 2])
    rows = ProgressiveSampling().imbtk_epoch_order(ctx).draw_epoch(0, Draw(0, "progressive-sampling", 0))
    assert sorted(rows.tolist()) == list(range(100))


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(0, 60), min_size=2, max_size=5).filter(any), epochs=st.integers(1, 6))
def test_epochs_are_of_one_length_and_mass_sums_to_one(counts, epochs):
    ctx = context(counts, epochs)
    order = ProgressiveSampling().imbtk_epoch_order(ctx)
    assert {int(shown(ProgressiveSampling(), ctx, epoch).sum()) for epoch in range(epochs)} == {sum(counts)}
    assert float(order.class_mass.sum()) == pytest.approx(1)
    assert ((order.class_mass == 0) == (ctx.class_counts == 0)).all()


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=5), shift=st.integers(0, 4))
def test_classes_may_change_places(counts, shift):
    mass = ProgressiveSampling().imbtk_epoch_order(context(counts)).class_mass
    moved = ProgressiveSampling().imbtk_epoch_order(context(counts[shift:] + counts[:shift])).class_mass
    torch.testing.assert_close(moved, torch.cat([mass[shift:], mass[:shift]]))


def test_equal_counts_make_it_an_order_that_does_not_move():
    order = ProgressiveSampling().imbtk_epoch_order(context([20, 20, 20]))
    assert order.steady
    torch.testing.assert_close(order.class_mass, torch.full((3,), 1 / 3, dtype=torch.float64))


@pytest.mark.parametrize(("counts", "rare"), [((90, 10), 1), ((10, 90), 0), ((50, 50), 1), ((10, 0, 90), 0)])
def test_share_is_that_of_the_rarer_class_on_a_straight_line(counts, rare):
    ctx = context(list(counts), epochs=3)
    strategy = ProgressiveSampling(share=[0.125, 0.25], epoch_size=1600)
    strategy.check_run(ctx)
    # By hand: 1/8, 3/16 and 1/4 of 1,600 rows.
    assert [int(shown(strategy, ctx, epoch)[rare]) for epoch in range(3)] == [200, 300, 400]
    assert float(strategy.imbtk_epoch_order(ctx).class_mass[rare]) == pytest.approx(3 / 16)


def test_share_may_stay():
    assert ProgressiveSampling(share=(0.3, 0.3)).imbtk_epoch_order(context([90, 10])).steady


def test_share_of_three_classes_is_refused():
    with pytest.raises(DataError, match=r"option 'share' of strategy 'progressive-sampling' .* there are rows of 3"):
        ProgressiveSampling(share=[0.1, 0.2]).check_run(context([9, 5, 2]))
    ProgressiveSampling().check_run(context([9, 5, 2]))


@pytest.mark.parametrize("share", [[0.1], [0.1, 0.2, 0.3], [0.0, 0.5], [0.5, 1.0], 0.5, "1/8", [True, 0.5], ["a", 0.1]])
def test_a_bad_share_is_refused(share):
    with pytest.raises(
        OptionError, match=r"option 'share' of strategy 'progressive-sampling' .*write two shares between"
    ):
        ProgressiveSampling(share=share)


def test_a_window_of_one_epoch_stays_at_its_beginning():
    order = ProgressiveSampling().imbtk_epoch_order(context([60, 40], epochs=1))
    torch.testing.assert_close(order.class_mass, torch.tensor([0.6, 0.4], dtype=torch.float64))


def test_a_run_says_that_its_ledger_is_a_guess():
    settings_ = {"data": "builtin:breast-cancer", "epochs": 4, "model": "linear", "device": "cpu"}
    prepared = prepare(make_config(settings_), None, ["progressive-sampling:share=[0.1, 0.3]@50%-"])
    plain, moving = prepared.plan.phases
    assert plain.exact
    assert plain.ledger.effective is not None
    assert not moving.exact
    assert moving.ledger.effective is None
    rare = int(plain.ledger.natural.argmin())
    assert float(moving.ledger.believed[rare]) == pytest.approx(0.2)


def test_it_trains_and_resumes():
    assert resumed_equals_uninterrupted(["progressive-sampling"])


def test_auto_shows_the_largest_class_once_in_the_last_epoch():
    for counts in ((100, 10), (60, 30, 10)):
        told = context(list(counts), epochs=4)
        last = ProgressiveSampling(epoch_size="auto").imbtk_epoch_order(told).draw_epoch(3, Draw(0, "x", 3))
        labels, shown = told.labels, torch.bincount(told.labels[last])
        assert shown.tolist() == [max(counts)] * len(counts)
        assert len(last[labels[last] == 0].unique()) == max(counts)
