"""τ-normalisation against arithmetic, its laws, the choice of τ, and runs of it."""

import numpy as np
import pytest
import torch
from plugins.begun import begin, check_predictions, clusters, train
from plugins.resumed import resumed_equals_uninterrupted
from sklearn.metrics import balanced_accuracy_score
from torch import nn

import imbtk
from imbtk import Strategy, hookimpl
from imbtk.authoring.records import TrainingRows
from imbtk.errors import OptionError, PlanError
from imbtk.models.branches import ExpertHead
from imbtk.models.heads import CosineHead, LinearHead, ScaledHead
from imbtk.models.network import Network
from imbtk_plugins.heads.tau_norm import TauNorm

WEIGHT = torch.tensor([[3.0, 4.0], [0.0, 0.25]])


def finished(head, tau=1.0, training=None):
    network = Network(nn.Identity(), head, (2,))
    TauNorm(tau=tau).imbtk_finish(network, training)
    return network


def linear(bias=True):
    head = LinearHead(2, 2, bias=bias)
    with torch.no_grad():
        head.weight.copy_(WEIGHT)
    return head


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("tau", "expected"),
    [(1.0, [[0.6, 0.8], [0.0, 1.0]]), (0.5, [[3 / 5**0.5, 4 / 5**0.5], [0.0, 0.5]]), (0.0, WEIGHT.tolist())],
)
def test_lengths_5_and_a_quarter_on_paper(bias, tau, expected):
    head = finished(linear(bias), tau).head
    torch.testing.assert_close(head.weight.detach(), torch.tensor(expected))
    assert head.weight.requires_grad
    assert head.bias is None or head.bias.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bias", [True, False])
def test_a_factor_per_class_is_part_of_the_weight(bias):
    x, head = torch.randn(9, 2), ScaledHead(2, 2, bias=bias)
    with torch.no_grad():
        head.linear.weight.copy_(WEIGHT * torch.tensor([[0.5], [8.0]]))
        head.factor.copy_(torch.tensor([2.0, 0.125]))
    torch.testing.assert_close(finished(head, 0.5).head(x), finished(linear(), 0.5).head(x))


def test_each_expert_has_its_own_lengths():
    x, (one, two) = torch.randn(9, 4), (linear(), ScaledHead(2, 2))
    alone = finished(linear()).head(x[:, :2]), finished(two).head(x[:, 2:]).detach().clone()
    network = finished(ExpertHead([one, two], parted=True))
    torch.testing.assert_close(network.classify(x).logits, (alone[0] + alone[1]) / 2)


def test_weights_of_length_0_stay_and_permuted_classes_are_permuted():
    head = LinearHead(2, 2)
    nn.init.zeros_(head.weight)
    assert finished(head).head.weight.tolist() == [[0, 0], [0, 0]]
    turned = linear()
    with torch.no_grad():
        turned.weight.copy_(WEIGHT.flip(0))
    assert torch.equal(finished(turned, 0.3).head.weight, finished(linear(), 0.3).head.weight.flip(0))


class TwiceAsMuch(LinearHead):
    def forward(self, features):
        return 2 * super().forward(features)


class OwnHead(Strategy):
    """Make a head that is not linear."""

    @hookimpl
    def imbtk_head(self, in_features, context):
        return CosineHead(in_features, context.num_classes)


def test_a_head_that_it_does_not_know_is_refused_before_training():
    with pytest.raises(
        PlanError,
        match=r"'tau-norm' does not know the head 'CosineHead' of strategy 'own-head'",
    ):
        begin(clusters(), ["tau-norm", OwnHead()])
    with pytest.raises(PlanError, match="does not know the head 'TwiceAsMuch'"):
        finished(TwiceAsMuch(2, 2))


def rows(features, labels):
    """Return a run's training rows, of which `features` and `labels` are the validation rows."""

    def told(validation):
        return TrainingRows(
            torch.arange(len(labels)), labels, None, validation, lambda: [features], lambda _: features.clone()
        )

    return told(told(None))


@pytest.mark.parametrize("kind", [LinearHead, ScaledHead, "experts"])
def test_validation_takes_the_best_balanced_accuracy_the_smallest_tau_of_several(kind):
    generator = torch.Generator().manual_seed(3)
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([200, 40, 15]))
    features = torch.eye(3)[labels] + 0.7 * torch.randn(255, 3, generator=generator)

    def head(make):
        made = make(3, 3)
        inner = made.linear if make is ScaledHead else made
        with torch.no_grad():
            inner.weight.copy_(torch.eye(3) * torch.tensor([[3.0], [1.5], [0.4]]))
        return made

    network = Network(nn.Identity(), ExpertHead([head(LinearHead), head(ScaledHead)], False), (3,))
    if kind != "experts":
        network.head = head(kind)
    scores = {}
    for tau in np.arange(11) / 10:
        scale = torch.tensor([3.0, 1.5, 0.4]).pow(1 - tau)
        scores[float(tau)] = balanced_accuracy_score(labels, (features * scale).argmax(1))
    best = max(scores.values())
    expected = min(tau for tau, score in scores.items() if score > best - 1e-9)
    assert 0 < expected < 1, "made so that it matters"
    strategy = TauNorm(tau="validation")
    strategy.imbtk_finish(network, rows(features, labels))
    assert strategy.state_dict() == {"_tau": expected}
    torch.testing.assert_close(
        network.classify(features).logits, features * torch.tensor([3.0, 1.5, 0.4]).pow(1 - expected)
    )


def test_a_validation_that_there_is_not_is_refused():
    with pytest.raises(OptionError, match=r"option 'tau' of strategy 'tau-norm' is validation, and .* tau=1\."):
        finished(linear(), "validation", rows(torch.zeros(1, 2), torch.zeros(1)).validation)
    for wrong in (1.5, -0.1, "best"):
        with pytest.raises(OptionError, match="option 'tau' of strategy 'tau-norm'"):
            TauNorm(tau=wrong)


def test_it_comes_after_the_windows_last_epoch_and_leaves_training_alone():
    plain, normalised = train(clusters(), []), train(clusters(), ["tau-norm"])
    before, after = plain.network.head.weight, normalised.network.head.weight
    torch.testing.assert_close(after, before / before.norm(dim=1, keepdim=True))
    assert [r["train_loss"] for r in plain.history] == [r["train_loss"] for r in normalised.history]
    assert [r["finished"] for r in normalised.history] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (["tau-norm:tau=validation"], {"early_stop": "log_loss"}),
        (["ride@0-70%", "tau-norm:tau=validation@0-70%"], {"model": "linear"}),
        (["bbn", "tau-norm"], {}),
    ],
)
def test_it_is_resumed_to_the_bit(plan, options):
    assert resumed_equals_uninterrupted(plan, **options)


def test_a_run_is_loaded_without_plugins(tmp_path, monkeypatch):
    x, y = clusters()
    plan = ["ride", "tau-norm:tau=validation"]
    imbtk.run((x, y), plan, model="mlp", epochs=2, quiet=True, device="cpu", out=tmp_path / "run")
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    head = check_predictions(tmp_path / "run", x).predictor.network.head
    assert [own.bias.abs().sum().item() for own in head.heads] == [0, 0, 0]
