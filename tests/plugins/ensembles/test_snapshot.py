"""Snapshot ensembles against the networks of a run as they were after each cycle, and the paper's learning rate."""

import math

import pytest
import torch
from plugins.averaging import SETTINGS, STEPS, Branch, Crt, Writes, images, trained
from plugins.begun import check_predictions, clusters
from plugins.resumed import resumed_equals_uninterrupted

import imbtk
from imbtk import RunContext
from imbtk.authoring.context import Phase
from imbtk.errors import ConflictError, OptionError, PlanError
from imbtk_plugins.ensembles.snapshot import Snapshot

X = torch.from_numpy(images()[0])
COUNTS = torch.tensor([40, 14, 6])
LABELS = torch.repeat_interleave(torch.arange(3), COUNTS)


def said(network):
    with torch.no_grad():
        return network.eval()(X)


def assert_mean(network, members):
    torch.testing.assert_close(said(network), torch.stack([said(member) for member in members]).mean(0))


@pytest.mark.parametrize(("cycles", "steps"), [(2, 12), (4, 40), (3, 30)])
def test_the_rate_is_the_published_one(cycles, steps):
    """Equation 2, t from 1: α₀/2·(cos(π·mod(t - 1, ⌈T/M⌉)/⌈T/M⌉) + 1)."""
    rate = Snapshot(cycles=cycles).imbtk_schedule(RunContext(("a", "b", "c"), COUNTS, COUNTS, LABELS))
    length = math.ceil(steps / cycles)
    for t in range(1, steps + 1):
        assert rate(t - 1, steps) == pytest.approx(0.5 * (math.cos(math.pi * ((t - 1) % length) / length) + 1))


@pytest.mark.parametrize("steps", [7, 10, 23])
def test_cycles_that_do_not_divide_the_steps_differ_by_one_step(steps):
    rate = Snapshot(cycles=3).imbtk_schedule(RunContext(("a", "b", "c"), COUNTS, COUNTS, LABELS))
    starts = [step for step in range(steps) if rate(step, steps) == 1.0]
    lengths = [b - a for a, b in zip(starts, [*starts[1:], steps], strict=True)]
    assert len(lengths) == 3
    assert max(lengths) - min(lengths) <= 1


def test_the_network_ends_as_the_mean_of_those_after_each_cycle():
    fitted, networks = trained([Writes(), Snapshot(cycles=2)])
    assert_mean(fitted.network, [networks[2 * STEPS - 1], networks[-1]])
    assert not torch.allclose(said(networks[2 * STEPS - 1]), said(networks[-1]), atol=1e-2)
    assert fitted.network.branches == 2
    assert fitted.network.experts == "2, each with a backbone and a head of its own"


def test_in_a_window_cycles_are_counted_from_its_beginning():
    fitted, networks = trained([Writes(), Snapshot(cycles=2).at("50%-")])
    assert_mean(fitted.network, [networks[3 * STEPS - 1], networks[-1]])


def test_a_window_that_ends_leaves_networks_that_train_on_together():
    fitted, networks = trained([Writes(), Snapshot(cycles=2).at("0-50%")])
    assert networks[2 * STEPS - 1].branches == 1
    assert networks[2 * STEPS].branches == fitted.network.branches == 2
    assert not torch.allclose(said(networks[-1]), said(networks[2 * STEPS]), atol=1e-3)


def test_cycles_that_have_not_ended_count_as_the_network_is():
    """The time is over after the first of two cycles and an epoch."""
    fitted, networks = trained([Writes(), Snapshot(cycles=2)])
    strategy = Snapshot(cycles=2)
    strategy.imbtk_step(None, RunContext(("a", "b", "c"), COUNTS, COUNTS, LABELS))
    half, later = networks[2 * STEPS - 1], networks[3 * STEPS - 1]
    strategy.modules()["snapshots"].states = [half.state_dict()]
    expected = (said(half) + said(later)) / 2
    later.make_head = fitted.network.make_head
    strategy.imbtk_finish(later)
    torch.testing.assert_close(said(later), expected)


def test_epochs_of_other_lengths_are_told_apart():
    """Oversampled epochs are longer: cycles are cut by steps."""
    fitted, networks = trained([Writes(), Snapshot(cycles=2), "oversample@75%-"])
    assert len(networks) > 4 * STEPS
    assert_mean(fitted.network, [networks[len(networks) // 2 - 1], networks[-1]])


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["snapshot:cycles=2"], {}),
        (["snapshot:cycles=2@0-50%"], {}),
        (["snapshot:cycles=2"], {"early_stop": "log_loss"}),
        (["sam", "snapshot:cycles=2@50%-"], {}),
    ],
)
def test_a_run_goes_on_where_it_was_killed(plan, options):
    assert resumed_equals_uninterrupted(plan, data=images(), model="small-cnn", batch_size=16, epochs=4, **options)


def test_a_window_shorter_than_its_cycles_is_refused():
    with pytest.raises(PlanError, match=r"'snapshot' has 4 cycles in a window of 3 epochs.*snapshot:cycles=2"):
        trained([Snapshot().at("1-")])
    told = RunContext(("a", "b", "c"), COUNTS, COUNTS, LABELS, window=Phase(0, 0, 4))
    Snapshot().check_run(told)


@pytest.mark.parametrize("other", ["ride", Branch()])
def test_a_network_that_is_branched_is_refused(other):
    with pytest.raises(PlanError, match="two strategies branch the network"):
        trained([other, Snapshot(cycles=2)])


def test_another_schedule_is_refused_and_so_is_what_would_be_lost():
    with pytest.raises(ConflictError, match=r"swa.*snapshot|snapshot.*swa"):
        trained(["swa", Snapshot(cycles=2)])
    for plan in ([Snapshot(cycles=2), "ema"], ["ema", Snapshot(cycles=2)]):
        with pytest.raises(PlanError, match=r"each put other weights in the network's place.*enable one of them"):
            trained(plan)
    with pytest.raises(PlanError, match=r"'tau-norm' changes the network.*write 'snapshot:cycles=2' before"):
        trained(["tau-norm", Snapshot(cycles=2)])


@pytest.mark.parametrize("other", ["lws:restart=false@50%-", "disalign:restart=false@50%-"])
def test_another_form_of_head_is_refused_with_its_maker(other):
    name = other.partition(":")[0]
    with pytest.raises(PlanError, match=f"'snapshot' cannot put.*another head meanwhile of strategy '{name}'"):
        trained([Snapshot(cycles=2), other])


def test_a_head_made_anew_is_kept_with_its_cycle():
    fitted, networks = trained([Writes(), Snapshot(cycles=4), Crt().at("50%-")])
    assert_mean(fitted.network, [networks[(n + 1) * STEPS - 1] for n in range(4)])


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"option 'cycles' of strategy 'snapshot'.*greater than or equal to 2"):
        Snapshot(cycles=1)


@pytest.mark.parametrize("model", ["mlp", "linear"])
def test_a_run_is_loaded_without_plugins_or_trust(model, tmp_path, monkeypatch):
    x, y = clusters()
    settings = {**SETTINGS, "model": model, "quiet": True, "out": tmp_path / "run"}
    imbtk.run((x, y), ["snapshot"], **settings)
    assert not (tmp_path / "run" / "model" / "network.pt2").exists()
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    assert check_predictions(tmp_path / "run", x).predictor.network.branches == 4
