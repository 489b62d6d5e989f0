"""BBN against arithmetic and counting, and runs of it."""

import numpy as np
import pytest
import torch
from plugins.begun import begin, check_predictions, clusters, train
from plugins.resumed import resumed_equals_uninterrupted
from torch.nn import functional as F

import imbtk
from imbtk import Draw, RunContext
from imbtk.authoring.context import Phase
from imbtk.authoring.records import Batch, Outputs
from imbtk.models.saving import load_network, save_network
from imbtk_plugins.objectives.bbn import Bbn

COUNTS = (600, 60, 0, 6)


def context(counts=COUNTS, window=(0, 10)):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    names = tuple(f"c{k}" for k in range(len(counts)))
    return RunContext(names, counts, counts, labels, epochs=window[1], window=Phase(0, *window))


def reversed_rows(counts=COUNTS, epoch=0, size=40_000):
    draw = Draw(0, "bbn partner", epoch)
    return Bbn().imbtk_partner(context(counts))(epoch, torch.zeros(size, dtype=torch.int64), draw)


def test_classes_are_drawn_by_their_inverse_count_and_rows_evenly_within():
    """The published sampler draws a class by max n / n_c, then one of its rows: a row by 1 / n_c²."""
    rows = reversed_rows()
    labels = context().labels
    found = torch.bincount(labels[rows], minlength=4) / len(rows)
    expected = torch.tensor([1 / 600, 1 / 60, 0, 1 / 6]) / (1 / 600 + 1 / 60 + 1 / 6)
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / len(rows)))
    rare = torch.bincount(rows, minlength=len(labels))[labels == 3].double()
    np.testing.assert_allclose(rare / rare.sum(), 1 / 6, atol=0.01)
    assert not torch.equal(rows, reversed_rows(epoch=1))
    assert torch.equal(rows, reversed_rows())


def test_equal_counts_are_drawn_equally():
    rows = reversed_rows((50, 50))
    assert abs(float((context((50, 50)).labels[rows] == 0).double().mean()) - 0.5) < 0.01


def judged(epoch, window=(0, 10)):
    """Return what BBN makes of two rows whose losses are 1 and 100 times the first logit."""
    outputs = Outputs(torch.zeros(1, 2), None, torch.tensor([[[2.0, 0.0]], [[7.0, 0.0]]]))
    label = torch.tensor([0])
    batch = Batch(torch.zeros(1), torch.eye(2)[label], label, label, epoch)
    partner = batch.but(target=100 * batch.target)

    def network(inputs, outputs):
        return Outputs(torch.zeros(1, 2), None, torch.tensor([[[11.0, 0.0]], [[3.0, 0.0]]]))

    objective = Bbn().imbtk_objective(lambda o, b: o.logits[:, 0] * b.target[:, 0], context(window=window))
    return float(objective(outputs, batch, experts=outputs.experts, partner=partner, network=network))


@pytest.mark.parametrize(("epoch", "alpha"), [(0, 1.0), (5, 0.75), (9, 0.19)])
def test_it_goes_from_one_branch_to_the_other_on_paper(epoch, alpha):
    """The first branch says 2 of the row, the second 3 of its partner."""
    logit = alpha * 2 + (1 - alpha) * 3
    assert judged(epoch) == pytest.approx(alpha * logit + (1 - alpha) * 100 * logit, rel=1e-6)
    assert judged(epoch + 20, (20, 30)) == pytest.approx(judged(epoch), rel=1e-6), "counted in the window"


def test_each_term_has_the_class_weights_of_its_own_target():
    begun = begin(clusters(), ["bbn", "class-weights"])
    batch = begun.batch.but(epoch=2)  # of four: α = 3/4
    partner = batch.partners["bbn"]
    weights = begun.phase.weights.float()
    with torch.no_grad():
        first = begun.network(batch.inputs, outputs=True).experts[0]
        second = begun.network(partner.inputs, outputs=True).experts[1]
        found = begun.learner(batch)
    logits = 0.75 * first + 0.25 * second
    own = weights[batch.labels] * F.cross_entropy(logits, batch.labels, reduction="none")
    other = weights[partner.labels] * F.cross_entropy(logits, partner.labels, reduction="none")
    torch.testing.assert_close(found, 0.75 * own + 0.25 * partner.scale * other)
    # Weights have mean 1 over the rows of each stream: "balanced" is 1/n_c, and the partner's mass is 1/n_c too.
    counts = begun.phase.context.class_counts.double()
    mass = counts.reciprocal() / counts.reciprocal().sum()
    assert partner.scale == pytest.approx(1 / float((mass * weights).sum()), rel=0.05)


def test_predictions_are_the_mean_of_both_branches():
    network = train(clusters(), ["bbn"]).network.eval()
    said = network(torch.from_numpy(clusters()[0]), outputs=True)
    torch.testing.assert_close(said.logits, 0.5 * said.experts[0] + 0.5 * said.experts[1])
    assert not torch.allclose(said.experts[0], said.experts[1], atol=0.1)


def test_at_first_only_the_branch_of_ordinary_rows_learns_and_then_both():
    begun = begin(clusters(), ["bbn"])
    heads, copies = begun.network.head.heads, begun.network.backbone.hidden2.copies
    for epoch, moved in ((0, False), (2, True)):
        begun.network.zero_grad()
        begun.learner(begun.batch.but(epoch=epoch)).mean().backward()
        for first, second in (heads, copies):
            assert first.weight.grad.abs().max() > 0
            assert (second.weight.grad is not None and bool(second.weight.grad.abs().max() > 0)) is moved


@pytest.mark.parametrize("plan", [["bbn", "class-weights"], ["bbn@40%-"], ["bbn@0-60%"]])
def test_it_is_resumed_to_the_bit(plan):
    assert resumed_equals_uninterrupted(plan)


@pytest.mark.parametrize(("model", "branches"), [("mlp", 2), ("linear", 1), ("table-mlp", 1)])
def test_it_learns_and_is_saved_and_loaded(model, branches, tmp_path):
    fitted = train(clusters(), ["bbn"], model=model, lr=0.01)
    assert fitted.history[-1]["validation_log_loss"] < fitted.history[0]["validation_log_loss"]
    save_network(tmp_path, fitted.network, {})
    assert not (tmp_path / "network.pt2").exists()
    loaded, _ = load_network(tmp_path)
    assert loaded.branches == branches
    x = torch.from_numpy(clusters()[0])
    assert torch.equal(loaded(x), fitted.network.eval()(x))


def test_a_run_is_loaded_without_plugins(tmp_path, monkeypatch):
    x, y = clusters()
    imbtk.run((x, y), ["bbn", "class-weights"], model="mlp", epochs=2, quiet=True, device="cpu", out=tmp_path / "run")
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    assert check_predictions(tmp_path / "run", x).predictor.network.branches == 2
