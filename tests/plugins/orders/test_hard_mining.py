"""Hard mining: which rows an epoch shows against a few lines of plain Python, resuming, and what its ledger says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import Draw, RunContext, Strategy, hookimpl
from imbtk.authoring.records import Batch, Outputs
from imbtk.errors import OptionError, PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.orders.hard_mining import HardMining


def context(counts, numbers=None):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    rows = torch.arange(len(labels)) if numbers is None else torch.tensor(numbers)
    counts = torch.tensor(counts)
    return RunContext(tuple(f"c{i}" for i in range(len(counts))), counts, counts, labels, rows=rows)


def drawn(order, epoch, seed=0):
    return order.draw_epoch(epoch, Draw(seed, "hard-mining", epoch)).tolist()


def train(strategy, ctx, rows, losses):
    """Let the strategy see a batch: these losses of these rows of the data."""
    judged = strategy.imbtk_objective(lambda outputs, batch: torch.tensor(losses), ctx)
    rows = torch.tensor(rows)
    batch = Batch(torch.zeros(len(rows), 1), torch.zeros(len(rows), 2), rows, torch.zeros_like(rows))
    return judged(Outputs(torch.zeros(len(rows), 2)), batch)


def test_rows_with_the_largest_last_losses_are_shown():
    ctx = context([6, 4])
    strategy = HardMining(fraction=0.3)
    order = strategy.imbtk_epoch_order(ctx)
    losses = [0.5, 3.0, 0.1, 2.0, 0.2, 0.3, 0.4, 0.6, 5.0, 0.7]
    given_ = train(strategy, ctx, list(range(10)), losses)
    assert given_.tolist() == pytest.approx(losses)
    assert sorted(drawn(order, 1)) == [1, 3, 8]
    # The last loss counts, not the largest: row 8 was learnt, row 2 forgotten.
    train(strategy, ctx, [8, 2], [0.0, 9.0])
    assert sorted(drawn(order, 2)) == [1, 2, 3]
    assert {tuple(drawn(order, 2, seed)) for seed in range(20)} > {tuple(drawn(order, 2))}


def test_rows_never_seen_come_before_all_others():
    ctx = context([6, 4])
    strategy = HardMining()
    order = strategy.imbtk_epoch_order(ctx)
    first = drawn(order, 0)
    assert len(set(first)) == 5
    train(strategy, ctx, first, [100.0] * 5)
    assert sorted(first + drawn(order, 1)) == list(range(10))


def test_rows_are_known_by_their_numbers_in_the_data_also_where_they_repeat():
    ctx = context([3, 3], numbers=[40, 10, 20, 10, 70, 30])
    strategy = HardMining(fraction=0.5)
    order = strategy.imbtk_epoch_order(ctx)
    train(strategy, ctx, [40, 10, 20, 70, 30], [1.0, 7.0, 2.0, 8.0, 3.0])
    # Row 10 stands at places 1 and 3.
    assert sorted(drawn(order, 1)) == [1, 3, 4]
    # Twice in a batch, the larger loss is remembered, wherever it stands.
    train(strategy, ctx, [10, 10], [0.5, 2.5])
    assert sorted(drawn(order, 1)) in ([1, 4, 5], [3, 4, 5])
    train(strategy, ctx, [10, 10, 40], [9.0, 0.5, 0.0])
    assert sorted(drawn(order, 1)) == [1, 3, 4]


@settings(max_examples=40, deadline=None)
@given(
    epochs=st.lists(st.lists(st.floats(0, 10, width=32), min_size=12, max_size=12), min_size=2, max_size=6),
    fraction=st.floats(0.05, 1),
)
def test_epochs_are_those_of_plain_python(epochs, fraction):
    ctx = context([8, 4])
    strategy = HardMining(fraction=fraction)
    order = strategy.imbtk_epoch_order(ctx)
    last = [math.inf] * 12
    size = max(1, round(fraction * 12))
    for epoch, losses in enumerate(epochs):
        rows = drawn(order, epoch)
        assert len(rows) == len(set(rows)) == size
        # Equal losses are chosen among by chance: what is chosen has the largest, whichever it is.
        assert sorted(last[row] for row in rows) == sorted(last)[-size:]
        train(strategy, ctx, rows, [losses[row] for row in rows])
        for row in rows:
            last[row] = losses[row]


def test_equal_losses_are_chosen_among_by_chance():
    ctx = context([30, 10])
    order = HardMining(fraction=0.25).imbtk_epoch_order(ctx)
    shown = torch.bincount(torch.tensor([drawn(order, epoch) for epoch in range(800)]).flatten(), minlength=40)
    # A row is in a quarter of 800 epochs: 200 ± 12.
    assert float((shown - 200).abs().max()) < 60


def test_everything_kept_is_a_permutation():
    strategy, ctx = HardMining(fraction=1.0), context([6, 4])
    order = strategy.imbtk_epoch_order(ctx)
    train(strategy, ctx, [0, 5], [3.0, 1.0])
    assert sorted(drawn(order, 1)) == list(range(10))


def test_half_precision_and_gradients_are_left_alone():
    strategy, ctx = HardMining(), context([2, 2])
    strategy.imbtk_epoch_order(ctx)
    losses = torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    judged = strategy.imbtk_objective(lambda outputs, batch: losses, ctx)
    rows = torch.tensor([0, 3])
    batch = Batch(torch.zeros(2, 1), torch.zeros(2, 2), rows, torch.zeros_like(rows))
    assert judged(Outputs(torch.zeros(2, 2)), batch) is losses
    assert strategy.state_dict()["kept"]["memory"]["last"].tolist() == [1.0, math.inf, math.inf, 2.0]


def test_a_later_phase_with_more_rows_keeps_what_was_remembered():
    strategy = HardMining()
    few, all_ = context([2, 1], numbers=[0, 1, 2]), context([2, 2], numbers=[0, 1, 2, 9])
    strategy.imbtk_epoch_order(few)
    train(strategy, few, [0, 1, 2], [1.0, 3.0, 2.0])
    assert sorted(drawn(strategy.imbtk_epoch_order(all_), 1)) == [1, 3]


def test_made_up_rows_are_refused():
    with pytest.raises(
        PlanError, match=r"'hard-mining' remembers the loss of each row of the data, and 2 rows are made"
    ):
        HardMining().imbtk_epoch_order(context([3, 2], numbers=[0, 1, 2, -1, -1]))


@pytest.mark.parametrize("fraction", [0, 1.1, -0.5])
def test_a_bad_fraction_is_refused(fraction):
    with pytest.raises(OptionError, match="option 'fraction' of strategy 'hard-mining'"):
        HardMining(fraction=fraction)


SETTINGS = {"data": "builtin:digits", "epochs": 4, "model": "mlp", "device": "cpu", "precision": "fp32"}


def run_of(plan, **options):
    return prepare(make_config({**SETTINGS, **options}), None, plan)


def test_a_run_says_that_its_ledger_is_a_guess():
    (phase,) = run_of(["hard-mining"]).plan.phases
    assert phase.ledger.effective is None
    assert not phase.exact
    torch.testing.assert_close(phase.ledger.believed, phase.ledger.natural)
    assert phase.order_length == round(0.5 * len(phase.labels))


def test_parts_of_batches_are_refused():
    prepared = run_of(["hard-mining"], accumulate=2)
    with pytest.raises(PlanError, match="'hard-mining' looks at a whole batch at once"):
        fit(prepared, make_network(prepared))


noted: list[tuple[int, list[int], list[float]]] = []


class Watch(Strategy):
    """Notes epoch, rows and losses of every batch."""

    @hookimpl
    def imbtk_objective(self, objective):
        def watched(outputs, batch):
            losses = objective(outputs, batch)
            noted.append((batch.epoch, batch.rows.tolist(), losses.tolist()))
            return losses

        return watched


def test_a_training_shows_what_it_was_worst_at():
    prepared = run_of(["hard-mining", Watch(), "class-weights"], batch_size=32, induce_imbalance="10")
    network = make_network(prepared)
    noted.clear()
    fit(prepared, network)
    (phase,) = prepared.plan.phases
    last = dict.fromkeys(phase.indices.tolist(), math.inf)
    size = sum(len(rows) for epoch, rows, _ in noted if epoch == 3)
    assert 0 <= round(0.5 * len(last)) - size <= 1  # a last batch of one row is left out
    for epoch in range(4):
        batches = [(rows, losses) for number, rows, losses in noted if number == epoch]
        shown = {row for rows, _ in batches for row in rows}
        assert len(shown) == size
        others = sorted((last[row] for row in last.keys() - shown), reverse=True)
        # But for the row that may have been left out, none that was worse was passed over.
        assert min(last[row] for row in shown) >= others[1]
        for rows, losses in batches:
            last.update(zip(rows, losses, strict=True))
    assert not any(map(math.isinf, last.values()))


@pytest.mark.parametrize("plan", [["hard-mining"], ["hard-mining@25%-", "class-weights@50%-"]])
def test_it_resumes_to_the_bit(plan):
    assert resumed_equals_uninterrupted(plan, epochs=4)


def test_it_resumes_beside_two_forward_passes_and_an_early_stop():
    assert resumed_equals_uninterrupted(["hard-mining", "sam"], epochs=4, early_stop="balanced_accuracy")
