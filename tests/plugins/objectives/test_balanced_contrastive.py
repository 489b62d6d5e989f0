"""Balanced contrastive learning against its formula in plain numbers, and its two views and its prior in runs."""

import math

import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import RunContext, Strategy, hookimpl
from imbtk.authoring.records import Batch, Outputs
from imbtk.errors import PlanError
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training.fitting import fit, make_network
from imbtk_plugins.criteria.balanced_softmax import BalancedSoftmax
from imbtk_plugins.objectives.balanced_contrastive import BalancedContrastive, Contrast

COUNTS = torch.tensor([900, 90, 10])
CONTEXT = RunContext(tuple("abc"), COUNTS, COUNTS, torch.repeat_interleave(torch.arange(3), COUNTS))


def contrast(num_classes=3, dim=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Contrast(5, num_classes, dim).double()


def drawn(labels, dim=4):
    return torch.randn(2 * len(labels), dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def on_paper(points, classes, views, temperature):
    """Return the loss of each view; `points` are views and then prototypes, on the sphere."""
    losses = []
    for i in range(views):
        s = [sum(a * b for a, b in zip(points[i], other, strict=True)) / temperature for other in points]
        bottom = 0.0
        for k in set(classes):
            members = [j for j in range(len(points)) if classes[j] == k and j != i]
            bottom += sum(math.exp(s[j]) for j in members) / len(members)
        own = [j for j in range(len(points)) if classes[j] == classes[i] and j != i]
        losses.append(-sum(s[j] - math.log(bottom) for j in own) / len(own))
    return losses


@pytest.mark.parametrize("labels", [[0, 0, 1, 2, 0], [1, 1], [2]])
def test_the_loss_is_the_mean_over_positives_with_each_class_counting_as_one(labels):
    module, views = contrast(), drawn(labels)
    found = module.loss(views, torch.tensor(labels), 0.5)
    points = F.normalize(torch.cat([views, module.prototypes.detach()]), dim=1).tolist()
    each = on_paper(points, [*labels, *labels, 0, 1, 2], 2 * len(labels), 0.5)
    expected = [(first + second) / 2 for first, second in zip(each[: len(labels)], each[len(labels) :], strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-9)


def test_classes_and_rows_permute():
    module, labels = contrast(), torch.tensor([0, 2, 1, 0, 2, 2])
    views = drawn(labels)
    plain = module.loss(views, labels, 0.1)
    rows = torch.randperm(6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(module.loss(views.view(2, 6, 4)[:, rows].flatten(0, 1), labels[rows], 0.1), plain[rows])
    torch.testing.assert_close(module.loss(views.view(2, 6, 4).flip(0).flatten(0, 1), labels, 0.1), plain)
    permuted = contrast()
    permuted.prototypes = torch.nn.Parameter(module.prototypes.detach()[[2, 0, 1]])
    torch.testing.assert_close(permuted.loss(views, torch.tensor([1, 2, 0])[labels], 0.1), plain)


def test_at_tau_one_the_loss_is_compensated_as_by_balanced_softmax():
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    target = F.one_hot(torch.arange(8) % 3, 3).float()

    def cross_entropy(logits, target):
        return F.cross_entropy(logits, target, reduction="none")

    ours = BalancedContrastive().imbtk_adjust_criterion(cross_entropy, CONTEXT)
    theirs = BalancedSoftmax().imbtk_adjust_criterion(cross_entropy, CONTEXT)
    torch.testing.assert_close(ours(logits, target), theirs(logits, target))
    assert BalancedContrastive(tau=0).imbtk_adjust_criterion(cross_entropy, CONTEXT) is cross_entropy


class Identity(torch.nn.Module):
    def forward(self, inputs, outputs):
        return Outputs(inputs[:, :3], inputs)


def test_the_term_is_added_to_the_plans_loss_by_its_weight():
    inputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6) % 3
    batch = Batch(inputs, F.one_hot(labels, 3).float(), labels, labels)
    found = []
    for weight in (0.0, 0.35, 0.7):
        strategy = BalancedContrastive(weight=weight)
        torch.manual_seed(0)
        objective = strategy.imbtk_objective(lambda outputs, batch: torch.arange(6.0), 5, CONTEXT)
        said = Outputs(inputs[:, :3], inputs)
        found.append(objective(said, batch, partner=batch, network=Identity(), features=inputs).detach())
        # Rows without a second view have the plan's loss alone.
        assert objective(said, batch, partner=None, network=Identity(), features=inputs).tolist() == list(range(6))
    assert found[0].tolist() == list(range(6))
    torch.testing.assert_close(found[2] - found[0], 2 * (found[1] - found[0]))
    assert (found[1] > found[0]).all()


@pytest.mark.parametrize("other", ["class-weights", "balanced-softmax", "oversample"])
def test_a_second_correction_of_the_prior_is_refused_unless_tau_is_zero(other):
    config = make_config({"data": "builtin:breast-cancer", "epochs": 1, "device": "cpu"})
    with pytest.raises(PlanError, match=f"index is 2.00.*'balanced-contrastive' and '{other}'"):
        prepare(config, None, ["balanced-contrastive", other])
    (phase,) = prepare(config, None, ["balanced-contrastive:tau=0", other]).plan.phases
    assert phase.ledger.index == pytest.approx(1.0, abs=1e-3)


class Looks(Strategy):
    """Notes what the network is given."""

    @hookimpl
    def imbtk_objective(self, objective):
        def looked(outputs, batch):
            type(self).seen.append((batch.inputs, batch.partners["balanced-contrastive"]))
            return objective(outputs, batch)

        return looked


@pytest.mark.parametrize("augment", [[], ["augment"]])
def test_views_are_of_the_same_rows_and_differ_by_augmentation(augment):
    Looks.seen = []
    config = make_config({"data": "builtin:digits", "epochs": 1, "model": "linear", "device": "cpu", "batch_size": 256})
    prepared = prepare(config, None, ["balanced-contrastive", *augment, Looks()])
    network = make_network(prepared)
    Looks.seen.clear()
    fit(prepared, network)
    assert len(Looks.seen) > 1
    for first, partner in Looks.seen:
        assert first.shape == partner.inputs.shape
        same = (first == partner.inputs).flatten(1).all(1).float().mean()
        assert same < 0.5 if augment else same == 1.0


def test_it_trains_and_resumes_to_the_bit():
    assert resumed_equals_uninterrupted(["balanced-contrastive"], data="builtin:breast-cancer")
    images = {"data": "builtin:digits", "epochs": 2, "batch_size": 256}
    assert resumed_equals_uninterrupted(["balanced-contrastive", "augment"], **images)
