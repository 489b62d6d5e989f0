"""BalPoE against the published code's numbers and torch, its laws, and runs of it."""

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
from imbtk.errors import OptionError, PlanError
from imbtk_plugins.objectives.balpoe import Balpoe

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


def loss(balpoe, told, experts, target):
    """Return the losses (B,), for targets that are classes or shares."""
    criterion = balpoe.imbtk_adjust_criterion(lambda z, t: F.cross_entropy(z, t, reduction="none"), told)
    objective = balpoe.imbtk_objective(lambda o, b: criterion(o.logits, b.target), told)
    labels = target if target.ndim == 1 else target.argmax(1)
    shares = F.one_hot(target, told.num_classes).to(experts) if target.ndim == 1 else target
    outputs = Outputs(experts.mean(0), None, experts)
    return objective(outputs, Batch(torch.empty(0), shares, labels, labels), experts=experts)


def test_the_published_code_gives_the_same_losses():
    """Its BSExpertLoss, run on these numbers with 32 bits; it adds 1e-9 to each share."""
    found = loss(Balpoe(), context(), EXPERTS, LABELS)
    assert found.tolist() == pytest.approx([4.3356729, 4.9446759], rel=1e-6)


@pytest.mark.parametrize("taus", [(0.0, 1.0, 2.0), (0.5, 0.5, 0.0), (3.0, 0.25, 1.0)])
def test_it_is_the_mean_of_logit_adjusted_losses(taus):
    log_shares = (torch.tensor(COUNTS) / sum(COUNTS)).log()
    each = [
        F.cross_entropy(own + tau * log_shares, LABELS, reduction="none")
        for own, tau in zip(EXPERTS, taus, strict=True)
    ]
    torch.testing.assert_close(loss(Balpoe(taus=taus), context(), EXPERTS, LABELS), sum(each) / 3)


def test_without_correction_or_with_equal_counts_experts_are_plain():
    alone = sum(F.cross_entropy(own, LABELS, reduction="none") for own in EXPERTS) / 3
    torch.testing.assert_close(loss(Balpoe(taus=(0, 0, 0)), context(), EXPERTS, LABELS), alone)
    torch.testing.assert_close(loss(Balpoe(), context((5, 5, 5, 5)), EXPERTS, LABELS), alone)


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), st.permutations(range(4)))
def test_permuted_classes_give_the_same_losses(counts, order):
    order = torch.tensor(order)
    found = loss(Balpoe(), context(tuple(counts[k] for k in order)), EXPERTS[:, :, order], order.argsort()[LABELS])
    torch.testing.assert_close(found, loss(Balpoe(), context(tuple(counts)), EXPERTS, LABELS), rtol=1e-5, atol=1e-5)
    assert found.isfinite().all()


def test_soft_targets_are_mixed_losses_and_rows_stand_alone():
    one, other = torch.eye(4)[LABELS], torch.eye(4)[LABELS.roll(1)]
    mixed = loss(Balpoe(), context(), EXPERTS, 0.3 * one + 0.7 * other)
    first, second = (loss(Balpoe(), context(), EXPERTS, labels) for labels in (LABELS, LABELS.roll(1)))
    torch.testing.assert_close(mixed, 0.3 * first + 0.7 * second)
    alone = [loss(Balpoe(), context(), EXPERTS[:, i : i + 1], LABELS[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(torch.cat(alone), first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_and_a_class_without_rows_stay_finite(dtype):
    experts = (1e4 * torch.tensor([[[1.0, -1.0, 0.0]], [[-1.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])).to(dtype)
    assert loss(Balpoe(), context((1000, 0, 1)), experts, torch.tensor([2])).isfinite().all()


@pytest.mark.parametrize("taus", ["[0,1,2]", "[0,0.5]", "[0,0,0,1]"])
def test_the_ledger_has_the_mean_of_the_degrees(taus):
    begun = begin(clusters(), [f"balpoe:taus={taus}"])
    numbers = [float(part) for part in taus[1:-1].split(",")]
    assert begun.phase.ledger.effective is None
    assert begun.phase.ledger.index == pytest.approx(sum(numbers) / len(numbers), abs=1e-3)
    assert len(begun.network.head.heads) == len(numbers)


def test_each_expert_is_judged_by_the_plans_weighted_criterion():
    begun = begin(clusters(), ["balpoe", "class-weights"], allow_overcorrection=True)
    weights = begun.phase.weights.float()
    with torch.no_grad():
        experts = begun.network(begun.batch.inputs, outputs=True).experts
        found = begun.learner(begun.batch)
    assert not torch.allclose(experts[0], experts[1])
    expected = loss(Balpoe(), begun.phase.context, experts, begun.batch.labels) * weights[begun.batch.labels]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("other", ["class-weights", "oversample", "logit-adjust"])
def test_what_corrects_once_more_is_refused(other):
    with pytest.raises(PlanError, match="corrects the class frequencies too far"):
        begin(clusters(), ["balpoe", other])


@pytest.mark.parametrize(("taus", "words"), [((1.0,), "two or more"), ((), "two or more"), ((0.0, -1.0), "write 0 or")])
def test_degrees_that_make_no_sense_are_refused(taus, words):
    with pytest.raises(OptionError, match=f"option 'taus' of strategy 'balpoe'.*{words}"):
        Balpoe(taus=taus)


@pytest.mark.parametrize("plan", [["balpoe"], ["balpoe:taus=[0,2]@40%-"]])
def test_it_is_resumed_to_the_bit(plan):
    assert resumed_equals_uninterrupted(plan)


def test_it_learns_beside_a_mix():
    fitted = train(clusters(), ["balpoe", "balanced-mixup"], lr=0.01, allow_overcorrection=True)
    assert fitted.history[-1]["validation_log_loss"] < fitted.history[0]["validation_log_loss"]


def test_a_run_is_loaded_without_plugins(tmp_path, monkeypatch):
    x, y = clusters()
    imbtk.run((x, y), ["balpoe"], model="mlp", epochs=2, quiet=True, device="cpu", out=tmp_path / "run")
    monkeypatch.setenv("IMBTK_PLUGINS", "none")
    assert check_predictions(tmp_path / "run", x).predictor.network.branches == 3
