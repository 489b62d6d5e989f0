"""The moving average against sums over the weights of a run without it, torch's own, and early stopping."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from plugins.averaging import STEPS, Branch, Crt, Writes, assert_weights, images, parameters, trained, weighted
from plugins.resumed import resumed_equals_uninterrupted

import imbtk
from imbtk import Strategy, hookimpl
from imbtk.errors import OptionError, PlanError
from imbtk.models.heads import CosineHead
from imbtk_plugins.averages.ema import Ema


def shares(count: int, decay: float = 0.999, warmup: bool = True) -> list[float]:
    """Return the share of each of `count` weights in the average after the last, by multiplying out."""
    decays = [0.0] + [min(decay, (1 + t) / (10 + t)) if warmup else decay for t in range(1, count)]
    found = []
    for step in range(count):
        share = 1 - decays[step]
        for later in decays[step + 1 :]:
            share *= later
        found.append(share)
    assert sum(found) == pytest.approx(1)
    return found


@pytest.mark.parametrize(
    ("options", "expected"), [({}, {}), ({"decay": 0.4}, {"decay": 0.4}), ({"warmup": False}, {"warmup": False})]
)
def test_the_network_ends_as_the_average_over_a_plain_run(options, expected):
    plain, networks = trained([Writes()])
    averaged, _ = trained([Ema(**options)])
    assert len(networks) == 4 * STEPS
    assert_weights(averaged.network, weighted(networks, shares(4 * STEPS, **expected)))
    # What is trained is what is trained without it.
    losses = [[record["train_loss"] for record in run.history] for run in (plain, averaged)]
    assert losses[0] == losses[1]


def test_the_average_is_torch_s_and_statistics_are_those_that_torch_makes():
    averaged, networks = trained([Writes(), Ema(decay=0.9, warmup=False)])
    reference = torch.optim.swa_utils.AveragedModel(
        networks[0], multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    for network in networks:
        reference.update_parameters(network)
    assert_weights(averaged.network, parameters(reference.module))
    torch.optim.swa_utils.update_bn(Writes.inputs, reference.module)
    found, names = dict(averaged.network.named_buffers()), dict(reference.module.named_buffers())
    assert any("running_var" in name for name in names)
    for name, value in names.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_no_decay_is_the_last_weights():
    plain, _ = trained([])
    averaged, _ = trained([Ema(decay=0.0)])
    assert_weights(averaged.network, parameters(plain.network))


def test_a_new_head_has_an_average_of_its_own_and_a_frozen_backbone_stays():
    averaged, networks = trained([Writes(), "ema", Crt().at("50%-")])
    plain, _ = trained([Crt().at("50%-")])
    assert_weights(averaged.network, weighted(networks[2 * STEPS :], shares(2 * STEPS), "head"), "head")
    frozen, expected = averaged.network.backbone.state_dict(), plain.network.backbone.state_dict()
    assert all(torch.equal(value, frozen[name]) for name, value in expected.items())


def test_a_window_that_ends_leaves_the_average_to_what_comes():
    """What trains on begins at the average: a head alone, whose backbone is what the average ended with."""
    both, _ = trained([Ema().at("0-50%"), Crt().at("50%-")])
    _, networks = trained([Writes()])
    assert_weights(both.network, weighted(networks[: 2 * STEPS], shares(2 * STEPS), "backbone"), "backbone")


def test_branches_that_come_later_have_an_average_of_their_own():
    averaged, networks = trained([Writes(), "ema", Branch().at("50%-")])
    assert averaged.network.branches == 2
    assert_weights(averaged.network, weighted(networks[2 * STEPS :], shares(2 * STEPS)))


def test_each_epoch_is_judged_as_the_average_that_it_would_end_with():
    run, _ = trained(["ema"], early_stop="log_loss", lr=0.05)
    kept = [record for record in run.history if record["kept"]]
    assert len(kept) == 1
    assert all(record["finished"] == 1 for record in run.history)
    rows = run.prepared.data.split.validation
    loss = F.cross_entropy(torch.from_numpy(run.logits(rows)), run.prepared.data.dataset.labels[rows])
    assert float(loss) == pytest.approx(kept[0]["validation_log_loss"], rel=1e-5)
    # The average of the best epoch, and not the one of the last.
    _, networks = trained([Writes()], lr=0.05)
    steps = STEPS * (int(kept[0]["epoch"]) + 1)
    assert_weights(run.network, weighted(networks[:steps], shares(steps)))


class Replaces(Strategy):
    """Put another head into the network at the end."""

    @hookimpl
    def imbtk_finish(self, network: Any) -> None:
        network.head = CosineHead(network.branch_width, 3)


def test_a_head_that_was_replaced_before_is_refused_and_after_is_fine():
    with pytest.raises(PlanError, match=r"'replaces' changes the network .* write 'ema' before 'replaces'"):
        trained([Replaces(), "ema"])
    run, _ = trained(["ema", Replaces()])
    assert isinstance(run.network.head, CosineHead)


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["ema"], {}),
        (["ema"], {"early_stop": "log_loss"}),
        (["ema", Crt().at("50%-")], {}),
        (["ema", Crt().at("50%-")], {"early_stop": "log_loss"}),
        (["ema", Branch().at("50%-")], {}),
    ],
)
def test_a_run_goes_on_where_it_was_killed(plan, options):
    assert resumed_equals_uninterrupted(plan, data=images(), model="small-cnn", batch_size=16, epochs=4, **options)


def test_it_trains(tmp_path):
    result = imbtk.run("builtin:digits", ["ema"], epochs=3, model="mlp", out=tmp_path / "run", quiet=True)
    losses = [record["validation_log_loss"] for record in result.history]
    assert [record["finished"] for record in result.history] == [0, 0, 1]
    assert losses[-1] < losses[0]


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"option 'decay' of strategy 'ema' .*less than 1"):
        Ema(decay=1)
