"""RIDE against arithmetic and torch, its laws, and runs of it."""

import numpy as np
import pytest
import torch
from plugins.begun import begin, check_predictions, clusters, train
from plugins.resumed import resumed_equals_uninterrupted
from torch.nn import functional as F

import imbtk
from imbtk import RunContext, Strategy, hookimpl
from imbtk.authoring.context import Phase
from imbtk.authoring.records import Batch, Outputs
from imbtk.authoring.weights import ascend
from imbtk.models.saving import load_network, save_network
from imbtk_plugins.objectives.ride import Ride

COUNTS = (400, 90, 10)


def context(counts=COUNTS, window=(0, 10)):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    names = tuple(f"c{k}" for k in range(len(counts)))
    return RunContext(names, counts, counts, labels, epochs=window[1], window=Phase(0, *window))


def cross_entropy(outputs, batch):
    return F.cross_entropy(outputs.logits, batch.target, reduction="none")


def said(rows=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    experts = 2 * torch.randn(3, rows, 3, generator=generator)
    labels = torch.randint(3, (rows,), generator=generator)
    return Outputs(experts.mean(0), None, experts), labels


def loss(ride, outputs, labels, epoch=0, told=None):
    objective = ride.imbtk_objective(cross_entropy, told or context())
    batch = Batch(torch.empty(0), F.one_hot(labels, 3).float(), labels, labels, epoch)
    return objective(outputs, batch, experts=outputs.experts)


def test_two_experts_on_paper():
    """Probabilities (3/4, 1/4) and (1/4, 3/4), so that the mean of the logits says ½ and ½."""
    three = float(np.log(3))
    experts = torch.tensor([[[three, 0.0]], [[0.0, three]]])
    outputs, label = Outputs(experts.mean(0), None, experts), torch.tensor([0])
    objective = Ride(experts=2).imbtk_objective(cross_entropy, context((5, 5)))
    found = objective(outputs, Batch(torch.empty(0), F.one_hot(label, 2).float(), label, label), experts=experts)
    apart = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    assert found.item() == pytest.approx(-np.log(0.75) - np.log(0.25) - 0.2 * 2 * apart, rel=1e-6)


@pytest.mark.parametrize(("epoch", "late"), [(0, False), (13, False), (14, True), (19, True)])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_loss_is_that_of_the_published_code_in_torchs_words(epoch, late, temperature):
    """Temperatures differ by class from 0.8 of the window on: here from epoch 14 of 10-15."""
    ride = Ride(diversity=0.45, temperature=temperature, tempering=0.3)
    outputs, labels = said()
    found = loss(ride, outputs, labels, epoch, context(window=(10, 15))).mean()
    shares = torch.tensor(COUNTS) / sum(COUNTS)
    t = torch.full((3,), temperature)
    if late:
        raw = 3 * 0.3 * shares + 0.7
        t = temperature * raw / raw.max()
    expected = sum(
        F.cross_entropy(own, labels)
        - 0.45
        * t.mean() ** 2
        * F.kl_div((own / t).log_softmax(1), (outputs.logits / t).softmax(1), reduction="batchmean")
        for own in outputs.experts
    )
    torch.testing.assert_close(found, expected)


def test_the_mean_has_no_gradient():
    outputs, labels = said()
    mean = outputs.logits.clone().requires_grad_()
    experts = outputs.experts.clone().requires_grad_()
    loss(Ride(), Outputs(mean, None, experts), labels).sum().backward()
    assert mean.grad is None
    assert (experts.grad != 0).all()


def test_without_diversity_it_is_the_sum_of_experts_alone():
    outputs, labels = said()
    alone = sum(F.cross_entropy(own, labels, reduction="none") for own in outputs.experts)
    torch.testing.assert_close(loss(Ride(diversity=0.0), outputs, labels), alone)


def test_equal_counts_have_one_temperature_and_permuted_classes_permuted_ones():
    outputs, labels = said()
    equal = context((7, 7, 7))
    torch.testing.assert_close(loss(Ride(), outputs, labels, 9, equal), loss(Ride(), outputs, labels, 0, equal))
    order = torch.tensor([2, 0, 1])
    turned = Outputs(outputs.logits[:, order], None, outputs.experts[:, :, order])
    told = context(tuple(COUNTS[k] for k in order))
    ride = Ride(tempering=0.5)
    found = loss(ride, turned, order.argsort()[labels], 9, told)
    torch.testing.assert_close(found, loss(ride, outputs, labels, 9))


def test_each_expert_is_judged_by_the_plans_weighted_criterion():
    begun = begin(clusters(), ["balanced-softmax", "class-weights", "ride:diversity=0"], allow_overcorrection=True)
    batch, weights = begun.batch, begun.phase.weights.float()
    with torch.no_grad():
        experts = begun.network(batch.inputs, outputs=True).experts
        found = begun.learner(batch)
    assert experts.shape == (3, 32, 3)
    assert not torch.allclose(experts[0], experts[1])
    shift = begun.phase.context.class_counts.log()
    expected = sum(F.cross_entropy(own + shift, batch.labels, reduction="none") for own in experts)
    torch.testing.assert_close(found, expected * weights[batch.labels])


def test_the_order_with_an_adjusted_criterion_does_not_matter():
    first, second = (
        train(clusters(), plan).network for plan in (["ride", "balanced-softmax"], ["balanced-softmax", "ride"])
    )
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize("plan", [["ride", "class-weights@50%-"], ["ride@40%-"]])
def test_it_is_resumed_to_the_bit(plan):
    assert resumed_equals_uninterrupted(plan)


class RoughSam(Strategy):
    """Minimise the loss at the worst point nearby."""

    @hookimpl
    def imbtk_step(self, step, context):
        def sharp(optimizer, closure):
            def at_the_worst():
                found = closure()
                moved = ascend(optimizer, 0.05)
                try:
                    closure()
                finally:
                    moved.back()
                return found

            return step(optimizer, at_the_worst)

        return sharp


@pytest.mark.parametrize(
    ("plan", "model", "branches"),
    [
        (["ride:experts=2"], "linear", 1),
        ([RoughSam(), "ride"], "mlp", 3),
        (["ride", "class-weights@50%-"], "table-mlp", 1),
    ],
)
def test_it_learns_and_is_saved_and_loaded(plan, model, branches, tmp_path):
    fitted = train(clusters(), plan, model=model, lr=0.01)
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]
    save_network(tmp_path, fitted.network, {})
    assert not (tmp_path / "network.pt2").exists()
    loaded, _ = load_network(tmp_path)
    assert loaded.branches == branches
    x = torch.from_numpy(clusters()[0])
    assert torch.equal(loaded(x), fitted.network.eval()(x))


def test_a_run_is_loaded_without_plugins(tmp_path, monkeypatch):
    x, y = clusters()
    imbtk.run((x, y), ["ride"], model="mlp", epochs=2, quiet=True, device="cpu", out=tmp_path / "run")
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    assert check_predictions(tmp_path / "run", x).predictor.network.branches == 3


def test_two_strategies_that_branch_are_refused():
    with pytest.raises(imbtk.errors.PlanError, match="two strategies branch the network"):
        begin(clusters(), ["ride", "bbn"])
