"""Undersampling: the rarest class whole, fresh subsets, against counting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk import Draw, RunContext
from imbtk.errors import OptionError
from imbtk_plugins.orders.undersample import Undersample


def context(counts, seed=0):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    counts = torch.tensor(counts)
    return RunContext(tuple(f"c{i}" for i in range(len(counts))), counts, counts, labels)


def drawn(strategy, ctx, epoch=0):
    return strategy.imbtk_epoch_order(ctx).draw_epoch(epoch, Draw(0, "undersample", epoch))


@pytest.mark.parametrize(("power", "expected"), [(1.0, [64, 16, 4]), (0.5, [16, 8, 4]), (0.0, [4, 4, 4])])
def test_power_interpolates(power, expected):
    ctx = context([64, 16, 4])
    rows = drawn(Undersample(power=power), ctx)
    assert torch.bincount(ctx.labels[rows]).tolist() == expected
    assert len(rows.unique()) == len(rows)


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=5), power=st.floats(0, 1))
def test_rarest_class_is_whole_and_no_row_repeats(counts, power):
    ctx = context(counts)
    rows = drawn(Undersample(power=power), ctx)
    shown = torch.bincount(ctx.labels[rows], minlength=len(counts))
    assert len(rows.unique()) == len(rows)
    assert shown[ctx.class_counts.argmin()] == min(counts)


def test_every_epoch_is_a_fresh_subset():
    ctx = context([50, 5])
    order = Undersample().imbtk_epoch_order(ctx)
    epochs = [order.draw_epoch(e, Draw(0, "undersample", e)) for e in range(200)]
    assert {len(rows) for rows in epochs} == {10}
    shown = torch.bincount(torch.cat(epochs), minlength=55)
    assert (shown[ctx.labels == 1] == 200).all()
    # Each frequent row in 1 of 10 epochs: 20 ± 4.2.
    assert (shown[ctx.labels == 0] > 0).all()
    assert float((shown[ctx.labels == 0] - 20).abs().max()) < 17


@pytest.mark.parametrize(
    "options", [{"power": 0.5}, {"epoch_size": 5}, {"epoch_size": "0.2x", "power": 0.7}, {"replacement": True}]
)
def test_class_mass_is_the_mean_of_drawn_epochs(options):
    ctx = context([37, 11, 0, 3])
    order = Undersample(**options).imbtk_epoch_order(ctx)
    rows = [ctx.labels[order.draw_epoch(e, Draw(0, "undersample", e))] for e in range(1500)]
    shares = torch.stack([torch.bincount(labels, minlength=4) / len(labels) for labels in rows]).double()
    deviation = shares.std(dim=0) / 1500**0.5
    assert ((shares.mean(dim=0) - order.class_mass).abs() <= 4.5 * deviation + 1e-7).all()
    assert order.class_mass[2] == 0


def test_balanced_mass_is_uniform_over_classes_that_have_rows():
    order = Undersample().imbtk_epoch_order(context([37, 11, 0, 3]))
    np.testing.assert_allclose(order.class_mass.numpy(), [1 / 3, 1 / 3, 0, 1 / 3])


def test_too_large_an_epoch_says_what_is_possible():
    ctx = context([37, 11, 3])
    message = (
        r"option 'epoch_size' of strategy 'undersample' \(given: 40\) asks for 13\.33 rows of class 'c2' in an epoch, "
        r"which has 3\. With power=0 an epoch can show at most 9 rows without repeating one"
    )
    with pytest.raises(OptionError, match=message):
        Undersample(epoch_size=40).imbtk_epoch_order(ctx)
    assert len(drawn(Undersample(epoch_size=9), ctx)) == 9
    assert len(drawn(Undersample(epoch_size=40, replacement=True), ctx)) == 40
    assert len(drawn(Undersample(epoch_size="1x", power=1.0), ctx)) == 51
