"""Oversampling: class mass, evenness, epoch length, against counting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk import Draw, RunContext
from imbtk.errors import OptionError
from imbtk_plugins.orders.oversample import Oversample


def context(counts, seed=0):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    counts = torch.tensor(counts)
    return RunContext(tuple(f"c{i}" for i in range(len(counts))), counts, counts, labels)


def drawn(strategy, ctx, epoch=0, seed=0):
    return strategy.imbtk_epoch_order(ctx).draw_epoch(epoch, Draw(seed, "oversample", epoch))


def per_class(strategy, ctx, epochs):
    """Return rows drawn by epoch and class."""
    order = strategy.imbtk_epoch_order(ctx)
    rows = [ctx.labels[order.draw_epoch(e, Draw(0, "oversample", e))] for e in range(epochs)]
    return order, torch.stack([torch.bincount(labels, minlength=ctx.num_classes) for labels in rows]).double()


def test_default_shows_every_class_as_often_as_the_largest():
    ctx = context([40, 7, 3])
    rows = drawn(Oversample(), ctx)
    assert rows.dtype == torch.int64
    assert torch.bincount(ctx.labels[rows]).tolist() == [40, 40, 40]
    shown = torch.bincount(rows, minlength=50)
    for c in range(3):
        times = shown[ctx.labels == c]
        assert times.max() - times.min() <= 1
    assert (shown[ctx.labels == 0] == 1).all()


@pytest.mark.parametrize(("power", "expected"), [(1.0, [64, 16, 4]), (0.5, [64, 32, 16]), (0.0, [64, 64, 64])])
def test_power_interpolates(power, expected):
    ctx = context([64, 16, 4])
    assert torch.bincount(ctx.labels[drawn(Oversample(power=power), ctx)]).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=5), power=st.floats(0, 1))
def test_auto_shows_no_class_less_than_its_rows(counts, power):
    ctx = context(counts)
    rows = drawn(Oversample(power=power), ctx)
    shown = torch.bincount(ctx.labels[rows], minlength=len(counts))
    assert (shown >= ctx.class_counts).all()
    assert torch.bincount(rows, minlength=sum(counts)).min() >= 1


@pytest.mark.parametrize(
    "options",
    [
        {"power": 0.3},
        {"epoch_size": 10, "power": 0.3},
        {"epoch_size": "0.7x", "power": 0.5},
        {"epoch_size": 2},
        {"epoch_size": 60, "replacement": True},
        {"power": 0.5, "replacement": True},
    ],
)
def test_class_mass_is_the_mean_of_drawn_epochs(options):
    ctx = context([37, 11, 0, 3])
    order, rows = per_class(Oversample(**options), ctx, 1500)
    assert len(rows.sum(dim=1).unique()) == 1
    shares = rows / rows.sum(dim=1, keepdim=True)
    deviation = shares.std(dim=0) / 1500**0.5
    assert ((shares.mean(dim=0) - order.class_mass).abs() <= 4.5 * deviation + 1e-12).all()
    assert order.class_mass.dtype == torch.float64
    assert float(order.class_mass.sum()) == pytest.approx(1)
    assert order.class_mass[2] == 0


def test_class_mass_follows_the_power_law():
    order, _ = per_class(Oversample(power=0.3, epoch_size=1000), context([37, 11, 0, 3]), 1)
    expected = np.array([37, 11, 0, 3]) ** 0.3 * np.array([1, 1, 0, 1])
    np.testing.assert_allclose(order.class_mass.numpy(), expected / expected.sum(), rtol=1e-12)


def test_without_replacement_a_class_varies_by_one_row_at_most():
    _, rows = per_class(Oversample(power=0.3, epoch_size=10), context([37, 11, 0, 3]), 200)
    assert (rows.max(dim=0).values - rows.min(dim=0).values <= 1).all()


def test_rows_of_a_class_are_drawn_alike():
    ctx = context([30, 4])
    for replacement in (False, True):
        order = Oversample(epoch_size=10, replacement=replacement).imbtk_epoch_order(ctx)
        rows = torch.cat([order.draw_epoch(e, Draw(0, "oversample", e)) for e in range(1500)])
        shown = torch.bincount(rows, minlength=34).double() / 1500
        torch.testing.assert_close(shown[ctx.labels == 0], torch.full((30,), 5 / 30).double(), rtol=0.25, atol=0)
        torch.testing.assert_close(shown[ctx.labels == 1], torch.full((4,), 5 / 4).double(), rtol=0.1, atol=0)


def test_replacement_leaves_rows_out():
    ctx = context([40, 40])
    assert len(drawn(Oversample(replacement=True), ctx).unique()) < 80
    assert len(drawn(Oversample(), ctx).unique()) == 80


def test_epochs_differ_and_repeat_by_seed():
    ctx = context([20, 5])
    first = drawn(Oversample(), ctx, epoch=0)
    torch.manual_seed(123)
    state = torch.random.get_rng_state()
    assert torch.equal(first, drawn(Oversample(), ctx, epoch=0))
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(first, drawn(Oversample(), ctx, epoch=1))
    assert not torch.equal(first, drawn(Oversample(), ctx, seed=1))


@pytest.mark.parametrize(("size", "rows"), [(17, 17), ("2x", 50), ("0.5x", 12), ("0.001x", 1), ("auto", 40)])
def test_epoch_size(size, rows):
    assert len(drawn(Oversample(epoch_size=size), context([20, 5]))) == rows


@pytest.mark.parametrize("size", [0, -3, 0.5, "0x", "x", "big", True, "1e3x"])
def test_bad_epoch_size_is_refused(size):
    message = "option 'epoch_size' of strategy 'oversample' .*write auto, a number of rows of at least 1, or a multiple"
    with pytest.raises(OptionError, match=message):
        Oversample(epoch_size=size)


def test_bad_power_is_refused():
    with pytest.raises(OptionError, match=r"option 'power' of strategy 'oversample' .*less than or equal to 1"):
        Oversample(power=1.5)
