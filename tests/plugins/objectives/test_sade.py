"""SADE against the published code's numbers and torch, its laws, and runs of it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plugins.begun import begin, check_predictions, clusters, train
from plugins.resumed import resumed_equals_uninterrupted
from torch.nn import functional as F

import imbtk
from imbtk import RunContext
from imbtk.authoring.records import Batch, Outputs
from imbtk.errors import PlanError
from imbtk_plugins.objectives.sade import Sade

COUNTS = (900, 120, 40, 7)
EXPERTS = torch.tensor(
    [
        [[0.5, -1.0, 0.25, 2.0], [1.5, 0.0, -0.5, 1.0]],
        [[0.1, 0.2, 0.3, 0.4], [-2.0, 1.0, 0.5, 0.0]],
        [[3.0, -0.5, 0.0, 1.0], [0.0, 0.7, -1.2, 0.4]],
    ]
)
LABELS = torch.tensor([1, 3])


def context(counts=COUNTS):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple(f"c{k}" for k in range(len(counts))), counts, counts, labels)


def loss(sade, told, experts, target):
    """Return the losses (B,), for targets that are classes or shares."""
    criterion = sade.imbtk_adjust_criterion(lambda z, t: F.cross_entropy(z, t, reduction="none"), told)
    objective = sade.imbtk_objective(lambda o, b: criterion(o.logits, b.target), told)
    labels = target if target.ndim == 1 else target.argmax(1)
    shares = F.one_hot(target, told.num_classes).to(experts) if target.ndim == 1 else target
    outputs = Outputs(experts.mean(0), None, experts)
    return objective(outputs, Batch(torch.empty(0), shares, labels, labels), experts=experts)


def test_the_published_code_gives_the_same_losses():
    """Its DiverseExpertLoss, run on these numbers with 32 bits; it adds 1e-9 to each share."""
    found = loss(Sade(), context(), EXPERTS, LABELS)
    assert found.tolist() == pytest.approx([14.477541, 19.662910], rel=1e-6)


@pytest.mark.parametrize("inversion", [0.0, 1.0, 2.5])
def test_three_cross_entropies_under_three_priors(inversion):
    shares = torch.tensor(COUNTS) / sum(COUNTS)
    turned = torch.tensor(COUNTS[::-1]) / sum(COUNTS)
    shifted = [EXPERTS[0], EXPERTS[1] + shares.log(), EXPERTS[2] + shares.log() - inversion * turned.log()]
    expected = sum(F.cross_entropy(own, LABELS, reduction="none") for own in shifted)
    torch.testing.assert_close(loss(Sade(inversion=inversion), context(), EXPERTS, LABELS), expected)


def test_equal_counts_are_three_plain_experts():
    alone = sum(F.cross_entropy(own, LABELS, reduction="none") for own in EXPERTS)
    torch.testing.assert_close(loss(Sade(), context((5, 5, 5, 5)), EXPERTS, LABELS), alone)


def test_classes_of_equal_counts_share_the_places_that_they_have():
    """Of 100, 10, 10 the two rare ones stand for 10 and 100, whose logs have the mean log of √1000."""
    third = Sade()._shifts(torch.tensor([100, 10, 10]))[2].tolist()
    log = torch.tensor([100, 10, 10, 1000**0.5], dtype=torch.float64).div(120).log().tolist()
    assert third == pytest.approx([log[0] - 2 * log[1], log[1] - 2 * log[3], log[1] - 2 * log[3]])


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), st.permutations(range(4)))
def test_permuted_classes_give_the_same_losses(counts, order):
    order = torch.tensor(order)
    found = loss(Sade(), context(tuple(counts[k] for k in order)), EXPERTS[:, :, order], order.argsort()[LABELS])
    torch.testing.assert_close(found, loss(Sade(), context(tuple(counts)), EXPERTS, LABELS), rtol=1e-5, atol=1e-5)
    assert found.isfinite().all()


def test_soft_targets_are_mixed_losses_and_rows_stand_alone():
    one, other = torch.eye(4)[LABELS], torch.eye(4)[LABELS.roll(1)]
    mixed = loss(Sade(), context(), EXPERTS, 0.3 * one + 0.7 * other)
    expected = 0.3 * loss(Sade(), context(), EXPERTS, LABELS) + 0.7 * loss(Sade(), context(), EXPERTS, LABELS.roll(1))
    torch.testing.assert_close(mixed, expected)
    alone = [loss(Sade(), context(), EXPERTS[:, i : i + 1], LABELS[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(torch.cat(alone), loss(Sade(), context(), EXPERTS, LABELS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_and_a_class_without_rows_stay_finite(dtype):
    experts = (1e4 * torch.tensor([[[1.0, -1.0, 0.0]], [[-1.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])).to(dtype)
    assert loss(Sade(), context((1000, 0, 1)), experts, torch.tensor([2])).isfinite().all()


def test_the_ledger_knows_what_the_mean_of_the_experts_believes():
    """Counts that fall evenly on a log scale: shifts of 0, 1 and 3 times log π."""
    x, y = clusters((240, 120, 60))
    begun = begin((x, y), ["sade"])
    assert begun.phase.ledger.effective is None
    assert begun.phase.ledger.index == pytest.approx(4 / 3, abs=0.02)
    begun = begin((x, y), ["sade:inversion=0"])
    assert begun.phase.ledger.index == pytest.approx(2 / 3, abs=0.01)


def test_logits_of_no_features_come_to_what_the_ledger_says():
    """Minimise the loss over three biases: their mean is the ledger's belief."""
    told = context((240, 120, 60))
    biases = torch.zeros(3, 1, 3, dtype=torch.float64, requires_grad=True)
    target = (told.class_counts / told.class_counts.sum()).double()[None]
    optimizer = torch.optim.LBFGS([biases], max_iter=300, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        found = loss(Sade(), told, biases, target).sum()
        found.backward()
        return found

    optimizer.step(closure)
    shares = told.class_counts.double() / told.class_counts.sum()
    expected = (shares.log() * (1 - 4 / 3)).softmax(0)  # log π - (0 + 1 + 3)/3·log π
    torch.testing.assert_close(biases.detach().mean(0)[0].softmax(0), expected, rtol=1e-4, atol=1e-5)


def test_each_expert_is_judged_by_the_plans_weighted_criterion():
    begun = begin(clusters(), ["sade", "class-weights"], allow_overcorrection=True)
    weights = begun.phase.weights.float()
    with torch.no_grad():
        experts = begun.network(begun.batch.inputs, outputs=True).experts
        found = begun.learner(begun.batch)
    assert experts.shape == (3, 32, 3)
    expected = loss(Sade(), begun.phase.context, experts, begun.batch.labels) * weights[begun.batch.labels]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("other", ["class-weights", "oversample", "balanced-softmax"])
def test_what_corrects_once_more_is_refused(other):
    with pytest.raises(PlanError, match="corrects the class frequencies too far"):
        begin(clusters(), ["sade", other])


def test_another_way_to_step_goes_beside_it_and_a_second_branching_is_refused():
    begin(clusters(), ["sade", "sam"])
    with pytest.raises(PlanError, match="two strategies branch the network"):
        begin(clusters(), ["ride", "sade"])


@pytest.mark.parametrize("plan", [["sade"], ["sade@40%-"]])
def test_it_is_resumed_to_the_bit(plan):
    assert resumed_equals_uninterrupted(plan)


def test_it_learns():
    fitted = train(clusters(), ["sade"], lr=0.01)
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]


def test_a_run_is_loaded_without_plugins(tmp_path, monkeypatch):
    x, y = clusters()
    imbtk.run((x, y), ["sade"], model="mlp", epochs=2, quiet=True, device="cpu", out=tmp_path / "run")
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    assert check_predictions(tmp_path / "run", x).predictor.network.branches == 3
