"""The AUC margin loss against the mean over pairs that it stands for, and in runs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plugins.resumed import resumed_equals_uninterrupted

import imbtk
from imbtk import RunContext
from imbtk.authoring.records import Batch, Outputs
from imbtk.errors import PlanError
from imbtk_plugins.objectives.auc_margin import AucMargin

RNG = np.random.default_rng(0)
LABELS = np.r_[np.zeros(240, int), np.ones(60, int)]
TABLE = RNG.normal(size=(300, 4)).astype(np.float32) + LABELS[:, None], LABELS


def context(*counts, **more):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return RunContext(tuple("abcd"[: len(counts)]), counts, counts, labels, **more)


def judged(strategy, told, logits, labels, a, b, alpha):
    """Return the losses (B,) at given a, b and α."""
    objective = strategy.imbtk_objective(None, told)
    saddle = strategy.modules()["saddle"]
    with torch.no_grad():
        for own, value in ((saddle.a, a), (saddle.b, b), (saddle.alpha, alpha)):
            own.copy_(torch.as_tensor(value))
    target = F.one_hot(labels, told.num_classes).float()
    return objective(Outputs(logits), Batch(logits, target, labels, labels))


def drawn(told, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(len(told.labels), told.num_classes, generator=generator)


@pytest.mark.parametrize(("positive", "margin"), [(0, 1.0), (1, 1.0), (1, 0.3)])
def test_at_its_saddle_it_is_the_square_loss_of_all_pairs(positive, margin):
    told = context(24, 6, positive=positive)
    logits = drawn(told)
    # The positive class leads by the logistic of the difference of the logits.
    scores = 1 / (1 + np.exp(-(logits[:, positive] - logits[:, 1 - positive]).double().numpy()))
    is_positive = told.labels.numpy() == positive
    up, down = scores[is_positive], scores[~is_positive]
    a, b = up.mean(), down.mean()
    found = judged(AucMargin(margin=margin), told, logits, told.labels, [a], [b], [margin + b - a])
    pairs = (margin - (up[:, None] - down[None, :])) ** 2
    p = is_positive.mean()
    assert found.mean().item() == pytest.approx(p * (1 - p) * pairs.mean(), rel=1e-5)


def test_more_classes_are_each_held_against_the_rest():
    told = context(10, 15, 5)
    logits, labels = drawn(told), told.labels
    a, b, alpha = torch.rand(3, 3, generator=torch.Generator().manual_seed(1))
    expected = 0.0
    for k in range(3):
        rest = logits[:, [j for j in range(3) if j != k]].logsumexp(1)
        alone = torch.stack([rest, logits[:, k]], dim=1)
        two = context(30 - int(told.class_counts[k]), int(told.class_counts[k]), positive=1)
        expected += judged(AucMargin(), two, alone, (labels == k).long(), a[k], b[k], alpha[k]) / 3
    torch.testing.assert_close(judged(AucMargin(), told, logits, labels, a, b, alpha), expected)


def test_a_sample_is_judged_by_itself():
    told = context(20, 0, 7, 3)
    logits, labels = drawn(told), told.labels
    whole = judged(AucMargin(), told, logits, labels, 0.6, 0.2, 0.4)
    one_by_one = [judged(AucMargin(), told, logits[i : i + 1], labels[i : i + 1], 0.6, 0.2, 0.4) for i in range(30)]
    assert whole.isfinite().all()
    torch.testing.assert_close(torch.cat(one_by_one), whole)
    assert not AucMargin.whole_batch


def test_the_share_of_positives_is_that_of_an_epoch_as_it_is_shown():
    told = context(24, 6, positive=1)
    balanced = context(24, 6, positive=1, class_mass=torch.tensor([0.5, 0.5], dtype=torch.float64))
    logits, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    # h = 1/2 and a = b = α = 0: (1 - p)/4 of a positive, p/4 of another.
    for where, p in ((told, 0.2), (balanced, 0.5)):
        found = judged(AucMargin(), where, logits, labels, 0.0, 0.0, 0.0)
        assert found.tolist() == pytest.approx([p / 4, (1 - p) / 4])


def stepped(strategy, told, logits, steps):
    """Take steps on fixed scores; return a, b and α after each."""
    objective = strategy.imbtk_objective(None, told)
    saddle, seen = strategy.modules()["saddle"], []
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.Adam([weight, *saddle.parameters()], lr=0.0)
    target = F.one_hot(told.labels, 2).float()
    take = strategy.imbtk_step(lambda optimizer, closure: optimizer.step(closure), told)

    def closure():
        optimizer.zero_grad()
        loss = objective(Outputs(logits + 0 * weight), Batch(logits, target, told.labels, told.labels)).mean()
        loss.backward()
        return loss

    for _ in range(steps):
        take(optimizer, closure)
        seen.append((saddle.a.item(), saddle.b.item(), saddle.alpha.item()))
    return seen


def test_steps_lead_to_the_mean_scores_and_up_to_what_is_missing_of_the_margin():
    told = context(24, 6, positive=1)
    logits = drawn(told)
    scores = logits.softmax(1)[:, 1]
    up, down = scores[24:].mean().item(), scores[:24].mean().item()
    seen = stepped(AucMargin(rate=0.4), told, logits, 200)
    assert seen[-1] == pytest.approx((up, down, 1 + down - up), abs=1e-3)
    # The first step by hand: a and b down their gradients from 0, then α from 0 at twice the rate.
    a, b = 0.4 * 2 * 0.8 * 0.2 * up, 0.4 * 2 * 0.2 * 0.8 * down
    assert seen[0] == pytest.approx((a, b, 0.8 * (1 + b - a)), rel=1e-5)


def test_alpha_stays_at_zero_where_positives_lead_by_more_than_the_margin():
    told = context(24, 6, positive=1)
    logits = 8 * (F.one_hot(told.labels, 2).float() - 0.5)
    seen = stepped(AucMargin(margin=0.1, rate=0.4), told, logits, 100)
    assert min(alpha for _, _, alpha in seen) == seen[-1][2] == 0.0
    assert seen[-1][0] - seen[-1][1] > 0.9


@pytest.mark.parametrize("other", ["class-weights", "focal-loss"])
def test_what_it_would_ignore_is_refused_by_name(other, tmp_path):
    with pytest.raises(PlanError, match=f"'auc-margin' has an objective of its own.*'{other}' makes"):
        imbtk.run(TABLE, ["auc-margin", other], epochs=1, out=tmp_path / "run", quiet=True)


@pytest.mark.parametrize("other", ["ride", "bbn", "balanced-contrastive"])
def test_an_objective_that_it_would_drop_is_refused_with_both_names(other, tmp_path):
    options = {"epochs": 1, "model": "mlp", "quiet": True, "out": tmp_path / "run"}
    with pytest.raises(
        PlanError, match=f"the objective of 'auc-margin' never calls that of '{other}'.*write 'auc-margin' b"
    ):
        imbtk.run(TABLE, [other, "auc-margin"], **options)
    imbtk.run(TABLE, ["auc-margin", "ride"], **options)


@pytest.mark.parametrize("plan", [["auc-margin"], ["class-weights@0-50%", "auc-margin@50%-"]])
def test_it_ranks_rows_in_a_run_alone_and_after_another_loss(plan, tmp_path):
    result = imbtk.run(TABLE, plan, epochs=6, batch_size=16, lr=0.01, out=tmp_path / "run", quiet=True)
    # Means two standard deviations apart: the best there is has 0.92.
    assert result.metrics["test"]["per_row"]["overall"]["auroc"]["value"] > 0.85


def test_a_resumed_run_is_the_same_to_the_bit():
    assert resumed_equals_uninterrupted(["auc-margin"], data="builtin:breast-cancer")
    assert resumed_equals_uninterrupted(["auc-margin@1-"], data="builtin:breast-cancer", early_stop="log_loss")


def test_it_trains_on_augmented_images_of_ten_classes():
    assert resumed_equals_uninterrupted(["auc-margin", "augment"], data="builtin:digits", epochs=2, batch_size=256)
