"""Class-aware sampling: what stands in each batch, by counting."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk import Draw, RunContext
from imbtk.errors import PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.orders.class_aware import ClassAware


def context(counts, batch_size=8):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    counts = torch.tensor(counts)
    names = tuple(f"c{i}" for i in range(len(counts)))
    return RunContext(names, counts, counts, labels, batch_size=batch_size)


def drawn(strategy, ctx, epoch=0, seed=0):
    return strategy.imbtk_epoch_order(ctx).draw_epoch(epoch, Draw(seed, "class-aware", epoch))


def per_batch(ctx, rows):
    """Return how many rows of each class each batch has, (batches, K)."""
    batches = torch.split(ctx.labels[rows], ctx.batch_size)
    return torch.stack([torch.bincount(batch, minlength=ctx.num_classes) for batch in batches])


def test_as_published_every_batch_has_the_same_number_of_each_class():
    # ClassAwareSampler of facebookresearch/classifier-balancing, run on the same counts, gives 240 rows, 2 of each
    # class in each batch of 8, rows of the four classes 1, 2, 7 or 8, and 30 times.
    ctx = context([60, 30, 8, 2])
    rows = drawn(ClassAware(), ctx)
    assert len(rows) == 240
    assert (per_batch(ctx, rows) == 2).all()
    times = torch.bincount(rows, minlength=100)
    assert [set(times[ctx.labels == c].tolist()) for c in range(4)] == [{1}, {2}, {7, 8}, {30}]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any),
    more=st.integers(0, 9),
    size=st.sampled_from(["auto", "1x", "0.3x", 7, 50]),
)
def test_classes_of_a_batch_and_rows_of_a_class_differ_by_one_at_most(counts, more, size):
    present = sum(n > 0 for n in counts)
    ctx = context(counts, present + more)
    rows = drawn(ClassAware(epoch_size=size), ctx)
    assert len(rows) % ctx.batch_size == 0
    wanted = {"auto": max(counts) * present, "1x": sum(counts), "0.3x": max(1, round(0.3 * sum(counts)))}.get(
        size, size
    )
    assert wanted <= len(rows) < wanted + ctx.batch_size
    there = ctx.class_counts > 0
    batches = per_batch(ctx, rows)
    assert (batches[:, ~there] == 0).all()
    assert (batches[:, there].amax(1) - batches[:, there].amin(1) <= 1).all()
    assert batches[:, there].min() >= 1
    times = torch.bincount(rows, minlength=sum(counts))
    for c in there.nonzero()[:, 0]:
        assert times[ctx.labels == c].max() - times[ctx.labels == c].min() <= 1


@pytest.mark.parametrize("options", [{}, {"epoch_size": 11}])
def test_mass_is_even_over_classes_that_have_rows(options):
    ctx = context([37, 11, 0, 3], batch_size=5)
    order = ClassAware(**options).imbtk_epoch_order(ctx)
    torch.testing.assert_close(order.class_mass, torch.tensor([1, 1, 0, 1], dtype=torch.float64) / 3)
    assert order.steady
    # Batches of 5 for 3 classes: who has one row less is drawn anew for each epoch.
    shares = [ctx.labels[order.draw_epoch(e, Draw(0, "class-aware", e))].bincount(minlength=4) for e in range(400)]
    mean = torch.stack(shares).double().mean(0)
    torch.testing.assert_close(mean / mean.sum(), order.class_mass, atol=0.01, rtol=0)


def test_processes_that_share_a_batch_see_all_classes():
    # Every second row of an order without a shuffle within batches would be of one class.
    ctx = context([50, 50], batch_size=32)
    rows = drawn(ClassAware(), ctx)
    for rank in range(2):
        seen = torch.bincount(ctx.labels[rows[rank::2]], minlength=2)
        assert seen.min() > 0.3 * seen.sum()


def test_epochs_differ_and_hang_on_the_seed():
    ctx = context([20, 5])
    first = drawn(ClassAware(), ctx)
    assert torch.equal(first, drawn(ClassAware(), ctx))
    assert not torch.equal(first, drawn(ClassAware(), ctx, epoch=1))
    assert not torch.equal(first, drawn(ClassAware(), ctx, seed=1))


def test_a_batch_smaller_than_the_number_of_classes_is_refused():
    with pytest.raises(
        PlanError, match=r"each of 3 classes in every batch, and a batch has 2 rows: write --batch-size 3"
    ):
        ClassAware().check_run(context([9, 5, 2], batch_size=2))
    # A class without rows takes no place.
    ClassAware().check_run(context([9, 0, 2], batch_size=2))


def run_of(plan, **options):
    settings_ = {"data": "builtin:digits", "epochs": 2, "model": "mlp", "device": "cpu", "precision": "fp32", **options}
    return prepare(make_config(settings_), None, plan)


def test_a_run_is_refused_likewise():
    with pytest.raises(PlanError, match="'class-aware' shows each of 10 classes in every batch"):
        run_of(["class-aware"], batch_size=8)


def test_its_ledger_is_exact():
    prepared = run_of(["class-aware:epoch_size=1x@50%-"], batch_size=20, induce_imbalance="10")
    plain, even = prepared.plan.phases
    assert plain.exact
    assert even.exact
    assert even.ledger.index == pytest.approx(1.0)
    batches = torch.split(even.labels[even.order(1)], 20)
    assert all((torch.bincount(batch, minlength=10) == 2).all() for batch in batches)


def test_it_trains_and_finds_rare_classes_sooner():
    def accuracy(plan):
        prepared = run_of(plan, batch_size=20, induce_imbalance="30", epochs=3)
        return fit(prepared, make_network(prepared)).history[-1]["validation_balanced_accuracy"]

    assert accuracy(["class-aware:epoch_size=1x"]) > accuracy([]) + 0.05
