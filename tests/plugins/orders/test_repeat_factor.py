"""Repeat-factor sampling: against Detectron2's numbers, counting, and what it says when it is idle."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk import Draw, RunContext
from imbtk.errors import OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk_plugins.orders.repeat_factor import RepeatFactor


def context(counts):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    counts = torch.tensor(counts)
    return RunContext(tuple(f"c{i}" for i in range(len(counts))), counts, counts, labels)


def times(strategy, ctx, epochs):
    """Return how often each epoch shows each row, (epochs, n)."""
    order = strategy.imbtk_epoch_order(ctx)
    drawn = [order.draw_epoch(epoch, Draw(0, "repeat-factor", epoch)) for epoch in range(epochs)]
    return torch.stack([torch.bincount(rows, minlength=len(ctx.labels)) for rows in drawn])


# RepeatFactorTrainingSampler.repeat_factors_from_category_frequency of facebookresearch/detectron2, threshold 0.1, run
# on 600, 300, 8 and 2 rows.
PUBLISHED = [1.0, 1.0, 3.3726844787597656, 6.745368957519531]


def test_a_row_is_shown_as_often_as_published_on_average():
    ctx = context([600, 300, 8, 2])
    shown = times(RepeatFactor(threshold=0.1), ctx, 3000).double()
    # 3.37 · 8 + 6.75 · 2 = 40.47 rows are rounded up to 41: a factor of 1.0131.
    rounding = [1, 1, 41 / 40.47221374511719, 41 / 40.47221374511719]
    for c, (factor, more) in enumerate(zip(PUBLISHED, rounding, strict=True)):
        found = shown[:, ctx.labels == c].mean(0)
        assert float((found - factor * more).abs().max()) < 0.05
        assert float(found.mean()) == pytest.approx(factor * more, abs=0.02)
    assert set(shown.sum(1).tolist()) == {941.0}


def test_a_row_is_rounded_down_or_up_and_frequent_ones_are_shown_once():
    ctx = context([600, 300, 8, 2])
    shown = times(RepeatFactor(threshold=0.1), ctx, 50)
    assert (shown[:, ctx.labels <= 1] == 1).all()
    assert set(shown[:, ctx.labels == 2].unique().tolist()) == {3, 4}
    assert set(shown[:, ctx.labels == 3].unique().tolist()) == {6, 7}


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 200), min_size=1, max_size=6).filter(any), threshold=st.floats(1e-3, 1))
def test_class_mass_follows_the_equation(counts, threshold):
    order = RepeatFactor(threshold=threshold).imbtk_epoch_order(context(counts))
    total = sum(counts)
    expected = [n * max(1.0, math.sqrt(threshold * total / n)) if n else 0.0 for n in counts]
    assert float(order.class_mass.sum()) == pytest.approx(1)
    rows = sum(expected)
    # What is rounded up is less than a row.
    for found, wanted in zip(order.class_mass.tolist(), expected, strict=True):
        assert abs(found - wanted / rows) <= 1 / rows + 1e-9
    lengths = {len(order.draw_epoch(epoch, Draw(0, "repeat-factor", epoch))) for epoch in range(3)}
    assert lengths == {math.ceil(rows - 1e-6)}


def test_whole_factors_are_exact():
    # Shares 0.96 and 0.04, threshold 0.16: √4 = 2.
    order = RepeatFactor(threshold=0.16).imbtk_epoch_order(context([96, 4]))
    torch.testing.assert_close(order.class_mass, torch.tensor([96 / 104, 8 / 104], dtype=torch.float64))


def test_permuted_classes_have_permuted_mass():
    there = RepeatFactor(threshold=0.3).imbtk_epoch_order(context([50, 20, 3])).class_mass
    back = RepeatFactor(threshold=0.3).imbtk_epoch_order(context([3, 20, 50])).class_mass
    torch.testing.assert_close(there, back.flip(0))


@pytest.mark.parametrize("counts", [[30, 30, 30], [40, 12], [5]])
def test_where_no_class_is_rare_it_is_a_permutation_and_says_so(counts):
    ctx = context(counts)
    assert (times(RepeatFactor(), ctx, 3) == 1).all()
    (said,) = RepeatFactor().notices(ctx)
    assert said.startswith("'repeat-factor' has nothing to do: it repeats classes with a share of the rows below 0.001")


def test_it_names_the_rarest_class_that_has_rows():
    (said,) = RepeatFactor().notices(context([40, 0, 10]))
    assert "the rarest one, 'c2', has 0.2. Write a larger threshold" in said
    assert RepeatFactor(threshold=0.21).notices(context([40, 0, 10])) == ()


def test_a_run_warns_of_it():
    def prepared(plan):
        config = make_config({"data": "builtin:breast-cancer", "epochs": 2, "model": "linear", "device": "cpu"})
        return prepare(config, None, [plan])

    assert "'repeat-factor' has nothing to do" in prepared("repeat-factor").plan.warnings[0]
    busy = prepared("repeat-factor:threshold=0.8")
    assert busy.plan.warnings == ()
    (phase,) = busy.plan.phases
    assert phase.exact
    # The share of the rarer class grows, and the ledger knows by how much.
    rare = int(phase.ledger.natural.argmin())
    assert phase.ledger.effective is not None
    n, m = phase.context.class_counts[rare].item(), phase.context.class_counts.sum().item()
    factors = {c: max(1.0, math.sqrt(0.8 * m / c)) for c in (n, m - n)}
    share = n * factors[n] / (n * factors[n] + (m - n) * factors[m - n])
    assert float(phase.ledger.effective[rare]) == pytest.approx(share, abs=1 / m)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.5])
def test_a_bad_threshold_is_refused(threshold):
    with pytest.raises(OptionError, match="option 'threshold' of strategy 'repeat-factor'"):
        RepeatFactor(threshold=threshold)
