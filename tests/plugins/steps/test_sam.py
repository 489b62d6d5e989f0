"""Sharpness-aware minimisation against arithmetic, a published implementation's numbers, and runs without it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plugins.averaging import images, trained
from plugins.resumed import resumed_equals_uninterrupted

import imbtk
from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.batches import Batches
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.steps.sam import Sam

COUNTS = torch.tensor([40, 14, 6])
CONTEXT = RunContext(("a", "b", "c"), COUNTS, COUNTS, torch.repeat_interleave(torch.arange(3), COUNTS))


# What https://github.com/davda54/sam (3c3afdb) gives in the test below.
LOSSES = [0.71847421, 0.71551329, 0.71072543, 0.70536810, 0.70007050]
WEIGHT = [[0.21342163, -0.19556499, 0.18329161], [-0.50948769, 0.49163103, -0.47935769]]
BIAS = [0.013671878, -0.013671887]


def taken(optimizer, closure):
    return optimizer.step(closure)


def finished(plan, **options):
    return trained(plan, epochs=2, **options)[0].network


def same(one, other):
    others = other.state_dict()
    return all(torch.equal(value, others[name]) for name, value in one.state_dict().items())


def test_a_step_on_a_quadratic_is_equations_2_and_3():
    curvature, rho, lr = torch.tensor([1.0, 4.0]), 0.5, 0.1
    weights = torch.nn.Parameter(torch.tensor([3.0, 1.0]))
    optimizer, seen = torch.optim.SGD([weights], lr=lr), []

    def closure():
        seen.append(weights.detach().clone())
        optimizer.zero_grad()
        loss = (curvature * weights**2).sum() / 2
        loss.backward()
        return loss.detach()

    loss = Sam(rho=rho).imbtk_step(taken, CONTEXT)(optimizer, closure)
    # By hand: the gradient (3, 4) has length 5, the point above is (3.3, 1.4), and its gradient (3.3, 5.6).
    assert loss == 6.5
    torch.testing.assert_close(seen[1], torch.tensor([3.3, 1.4]))
    torch.testing.assert_close(weights.detach(), torch.tensor([3 - 0.33, 1 - 0.56]))


def test_steps_are_those_of_a_published_implementation():
    """On the same weights and the same batch, five steps of SGD with momentum and decay, rho = 0.3."""
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.1, -0.2, 0.3], [-0.4, 0.5, -0.6]]))
        layer.bias.copy_(torch.tensor([0.05, -0.05]))
    inputs = torch.arange(12.0).reshape(4, 3).cos()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(layer(inputs), torch.tensor([0, 1, 1, 0]))
        loss.backward()
        return loss.detach()

    step = Sam(rho=0.3).imbtk_step(taken, CONTEXT)
    losses = [float(step(optimizer, closure)) for _ in range(5)]
    assert losses == pytest.approx(LOSSES, rel=1e-6)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor(WEIGHT), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(layer.bias.detach(), torch.tensor(BIAS), rtol=1e-5, atol=1e-6)


def test_weights_are_put_back_where_the_second_look_fails():
    weights = torch.nn.Parameter(torch.tensor([3.0, 1.0]))
    optimizer = torch.optim.SGD([weights], lr=0.1)

    def closure():
        if weights[0] != 3:
            raise RuntimeError("above")
        weights.grad = torch.ones(2)
        return torch.zeros(())

    with pytest.raises(RuntimeError, match="above"):
        Sam().imbtk_step(taken, CONTEXT)(optimizer, closure)
    assert torch.equal(weights.detach(), torch.tensor([3.0, 1.0]))


def test_the_loss_above_has_the_class_weights_in_it():
    """One step of a linear model on all rows at once, beside the same step by hand."""
    generator, labels = np.random.default_rng(0), np.repeat(np.arange(2), [60, 20])
    data = generator.normal(size=(80, 3)).astype(np.float32), labels
    options = {"epochs": 1, "seed": 1, "model": "linear", "batch_size": 128, "optimizer": "sgd", "weight_decay": 0.0}
    options |= {"device": "cpu", "precision": "fp32", "schedule": "constant", "warmup": 0.0, "lr": 0.1}
    prepared = prepare(make_config(options), data, [Sam(rho=0.7), "class-weights"])
    network, phase = make_network(prepared), prepared.plan.phases[0]
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, torch.device("cpu"))
    inputs = batches.samples(phase.indices)
    target, weights = phase.labels, phase.weights.float()

    before = [parameter.detach().clone() for parameter in network.parameters()]

    def gradients():
        losses = F.cross_entropy(network(inputs), target, reduction="none") * weights[target]
        return torch.autograd.grad(losses.mean(), list(network.parameters()))

    first = gradients()
    norm = torch.cat([g.flatten() for g in first]).norm()
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), first, strict=True):
            parameter += 0.7 * gradient / norm
    above = gradients()
    expected = [w - 0.1 * 1.9 * g for w, g in zip(before, above, strict=True)]  # Nesterov's first step is 1.9 g
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), before, strict=True):
            parameter.copy_(value)
    fit(prepared, network)
    for parameter, value in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), value)


def test_statistics_of_batch_norm_move_once_a_step():
    """In a run of one step they are those of a run without: what is looked at first are the same weights."""
    plain, sharp = (trained(plan, epochs=1, batch_size=64)[0].network for plan in ([], [Sam(rho=5.0)]))
    found = dict(sharp.named_buffers())
    assert any("running_var" in name for name in found)
    assert all(torch.equal(value, found[name]) for name, value in plain.named_buffers())
    assert not same(plain, sharp)


def test_no_way_up_is_a_run_without_it():
    assert same(finished([]), finished([Sam(rho=0.0)]))
    assert not same(finished([]), finished([Sam()]))


def test_order_beside_an_average_does_not_matter():
    assert same(finished(["sam", "ema"]), finished(["ema", "sam"]))


@pytest.mark.parametrize(
    "plan", [["sam"], ["sam", "class-weights@50%-"], ["sam", "ema"], ["sam@0-50%", "sam:rho=1@50%-"]]
)
def test_a_run_goes_on_where_it_was_killed(plan):
    assert resumed_equals_uninterrupted(plan, data=images(), model="small-cnn", batch_size=16)


def test_it_trains(tmp_path):
    plan = ["sam:rho=0.1", "class-weights@50%-"]
    result = imbtk.run("builtin:digits", plan, epochs=3, model="mlp", out=tmp_path / "run", quiet=True)
    losses = [record["validation_log_loss"] for record in result.history]
    assert losses[-1] < losses[0]


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"option 'rho' of strategy 'sam' .*greater than or equal to 0"):
        Sam(rho=-1)
