"""Stochastic weight averaging against means over the weights of a run, torch's own, and its learning rate."""

from __future__ import annotations

import pytest
import torch
from plugins.averaging import STEPS, Crt, Writes, assert_weights, images, parameters, trained, weighted
from plugins.resumed import resumed_equals_uninterrupted

import imbtk
from imbtk.errors import OptionError
from imbtk_plugins.averages.swa import Swa


def test_the_network_ends_as_the_mean_over_the_epochs_of_the_window():
    """With ``lr=0`` a plain run has the same weights on the way."""
    _, networks = trained([Writes()])
    averaged, _ = trained([Swa(lr=0).at("25%-")])
    assert_weights(
        averaged.network, weighted([networks[2 * STEPS - 1], networks[3 * STEPS - 1], networks[-1]], [1 / 3] * 3)
    )


def test_the_mean_is_torch_s_and_statistics_are_those_that_torch_makes():
    averaged, networks = trained([Writes(), Swa().at("50%-")])
    reference = torch.optim.swa_utils.AveragedModel(networks[0])
    for network in (networks[3 * STEPS - 1], networks[-1]):
        reference.update_parameters(network)
    assert_weights(averaged.network, parameters(reference.module))
    torch.optim.swa_utils.update_bn(Writes.inputs, reference.module)
    found = dict(averaged.network.named_buffers())
    for name, value in reference.module.named_buffers():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_the_rate_is_constant_in_the_window_and_the_run_s_own_before():
    rates = [[record["lr"] for record in trained(plan)[0].history] for plan in ([], [Swa(lr=0.2).at("50%-")])]
    assert rates[1][:2] == rates[0][:2]
    assert rates[1][2:] == pytest.approx([0.002, 0.002])


def test_a_window_of_one_epoch_ends_with_its_weights():
    plain, _ = trained([])
    averaged, _ = trained([Swa(lr=0).at("75%-")])
    assert_weights(averaged.network, parameters(plain.network))


def test_a_new_head_has_a_mean_of_its_own():
    averaged, networks = trained([Writes(), Swa(lr=0).at("25%-"), Crt().at("50%-")])
    assert_weights(averaged.network, weighted([networks[3 * STEPS - 1], networks[-1]], [0.5, 0.5], "head"), "head")
    assert_weights(averaged.network, parameters(networks[2 * STEPS - 1], "backbone"), "backbone")


def test_epochs_of_other_lengths_are_told_apart():
    """Oversampled epochs are longer; the mean is over ends of epochs all the same."""
    averaged, networks = trained([Writes(), Swa(lr=0).at("50%-"), "oversample@75%-"])
    assert len(networks) > 4 * STEPS
    assert_weights(averaged.network, weighted([networks[3 * STEPS - 1], networks[-1]], [0.5, 0.5]))


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["swa@50%-"], {}),
        (["swa@25%-"], {"early_stop": "log_loss"}),
        (["swa@25%-", Crt().at("75%-")], {}),
        (["sam", "swa@50%-"], {}),
    ],
)
def test_a_run_goes_on_where_it_was_killed(plan, options):
    assert resumed_equals_uninterrupted(plan, data=images(), model="small-cnn", batch_size=16, epochs=4, **options)


def test_it_trains(tmp_path):
    plan = ["swa@50%-", "class-weights"]
    result = imbtk.run("builtin:digits", plan, epochs=4, model="mlp", out=tmp_path / "run", quiet=True)
    losses = [record["validation_log_loss"] for record in result.history]
    assert losses[-1] < losses[0]


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"option 'lr' of strategy 'swa' .*greater than or equal to 0"):
        Swa(lr=-1)
