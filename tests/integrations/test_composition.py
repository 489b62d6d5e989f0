"""The pieces that a loop of one's own is handed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import imbtk
from imbtk import RunContext, Strategy, hookimpl
from imbtk.errors import DataError, PlanError

LABELS = ["b"] * 6 + ["a"] * 2


class Features(Strategy):
    """Ask for features."""

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        return lambda logits, target, *, features: features.sum(1)


def compose(strategies: list[Any], **options: Any) -> imbtk.Composition:
    return imbtk.compose(strategies, **{"labels": LABELS, "epochs": 10, "batch_size": 4, **options})


def test_numbers_and_names_of_classes() -> None:
    composition = compose([])
    assert composition.context.class_names == ("a", "b")
    assert composition.labels.tolist() == [1] * 6 + [0] * 2
    assert repr(composition) == "Composition('nothing', epoch 0 of 10, 8 rows of a, b)"


def test_windows_go_by_the_epoch() -> None:
    composition = compose(["class-weights@50%-"])
    assert composition.class_weights.tolist() == [1.0, 1.0]
    composition.on_epoch(5)
    assert composition.class_weights.tolist() == pytest.approx([2.0, 2 / 3])
    assert composition.context.phase == imbtk.Phase(1, 5, 10)
    assert composition.ledger.effective is not None
    assert composition.ledger.effective.tolist() == [0.5, 0.5]
    with pytest.raises(PlanError, match="there is no epoch 10: the composition was made for 10, counted from 0"):
        composition.on_epoch(10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_criterion_is_a_mean_of_weighted_losses(dtype: torch.dtype) -> None:
    composition = compose(["class-weights"])
    logits = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    target = torch.tensor([0, 1, 1, 0, 1])
    by_hand = F.cross_entropy(logits.float(), target, reduction="none") * torch.tensor([2.0, 2 / 3])[target]
    assert composition.criterion(logits, target).item() == pytest.approx(by_hand.mean().item())
    assert composition.criterion(logits, F.one_hot(target).float()) == composition.criterion(logits, target)


def test_features_have_to_be_given() -> None:
    composition = compose([Features()])
    logits, target = torch.zeros(2, 2), torch.tensor([0, 1])
    with pytest.raises(PlanError, match=r"asks for features: call criterion\(logits, target, features=\.\.\.\)"):
        composition.criterion(logits, target)
    assert composition.criterion(logits, target, features=torch.ones(2, 3)) == 3.0


def test_the_head_starts_at_the_prior_and_leaves_the_random_state() -> None:
    composition = compose([], seed=4)
    before = torch.random.get_rng_state()
    head = composition.head(3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert head.bias.tolist() == pytest.approx(np.log([0.25, 0.75]).tolist())
    torch.manual_seed(5)
    assert torch.equal(head.weight, torch.nn.Linear(3, 2).weight)


def test_without_strategies_images_stay_and_targets_become_shares() -> None:
    composition = compose([], sample_shape=(1, 2, 2))
    images = torch.full((4, 1, 2, 2), 51, dtype=torch.uint8)
    assert torch.allclose(composition.augment(images, composition.labels[:4]), torch.full((4, 1, 2, 2), 0.2))
    same, target = composition.mix(images, composition.labels[:4])
    assert same is images
    assert target.tolist() == [[0.0, 1.0]] * 4


def test_positions_may_be_given() -> None:
    composition = compose(["augment:rotation=90"], sample_shape=(1, 8, 8))
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    target = composition.labels[:4]
    counted = [composition.augment(images, target) for _ in range(2)]
    assert not torch.equal(counted[0], counted[1])
    given = composition.augment(images, target, positions=np.arange(4, 8))
    assert torch.equal(given, counted[1])
    with pytest.raises(PlanError, match=r"augment was called for 12 samples in epoch 0, which has 8: call composition"):
        composition.augment(images, target)
    composition.on_epoch(0)
    assert torch.equal(composition.augment(images, target), counted[0])


def test_batches_know_their_rows() -> None:
    composition = compose([], kind="table")
    with pytest.raises(DataError, match=r"x has 7 rows and y 8; compose was given labels of 8 training rows"):
        composition.batches(np.zeros((7, 2)), LABELS, 0)
    with pytest.raises(DataError, match=r"y is not what compose was given as labels: 4 of 8 rows differ, .* row 0"):
        composition.batches(np.zeros((8, 2)), LABELS[::-1], 0)
    x = np.arange(8)[:, None]
    seen = torch.cat([inputs for inputs, _ in composition.batches(x, LABELS, 3)])
    assert sorted(seen[:, 0].tolist()) == list(range(8))
    assert composition.epoch == 3


def test_dropout_has_the_seed_of_a_run() -> None:
    from imbtk.training.loop import network_seed

    assert compose([], seed=9).network_seed(3) == network_seed(9, 3)


def test_batches_have_the_axes_that_compose_read() -> None:
    for x, shape in ((np.ones((8, 7, 7, 3)), (3, 7, 7)), (np.ones((8, 7, 7), np.uint8), (1, 7, 7))):
        composition = compose(["augment"], x=x)
        assert composition.context.sample_shape == shape
        for given in (x, torch.from_numpy(x)):
            assert next(iter(composition.batches(given, LABELS, 0)))[0].shape == (4, *shape)
    unknown = compose(["class-weights"])
    assert next(iter(unknown.batches(np.ones((8, 7, 3)), LABELS, 0)))[0].shape == (4, 7, 3)
    flat = compose(["class-weights"], sample_shape=(1, 7, 7))
    assert next(iter(flat.batches(np.ones((8, 49)), LABELS, 0)))[0].shape == (4, 49)
