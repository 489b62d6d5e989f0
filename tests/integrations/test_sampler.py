"""The order of an epoch, whole or in shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import imbtk
from imbtk.errors import PlanError

LABELS = np.repeat([0, 1], [25, 8])  # 33 rows: over two processes one is left out


def compose(strategies: list[Any] | None = None, **options: Any) -> imbtk.Composition:
    return imbtk.compose(strategies or [], LABELS, **{"epochs": 3, "batch_size": 8, **options})


def test_an_epoch_is_a_permutation_of_its_own() -> None:
    sampler = compose().sampler
    first = list(sampler)
    assert len(sampler) == 32  # a last batch of one sample is left out, as in a run
    assert len(set(first)) == 32
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_processes_share_the_global_order() -> None:
    whole = compose(["augment:rotation=90"], sample_shape=(1, 8, 8))
    parts = [compose(["augment:rotation=90"], sample_shape=(1, 8, 8), rank=r, world_size=2) for r in (0, 1)]
    images = torch.rand(33, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for composition in (whole, *parts):
        composition.on_epoch(2)
    order = list(whole.sampler)
    assert [len(part.sampler) for part in parts] == [16, 16]
    assert [list(part.sampler) for part in parts] == [order[0::2], order[1::2]]
    assert [part.local_batch_size for part in parts] == [4, 4]
    shown = whole.augment(images[order[:8]], whole.labels[order[:8]])
    for rank, part in enumerate(parts):
        rows = order[rank:8:2]
        assert torch.equal(part.augment(images[rows], part.labels[rows]), shown[rank::2])


def test_the_mean_gradient_of_two_processes_is_that_of_one() -> None:
    x = torch.randn(33, 3, generator=torch.Generator().manual_seed(0))
    plan = ["class-weights:scheme=sqrt", "oversample:power=0.5"]

    def gradients(composition: imbtk.Composition) -> list[torch.Tensor]:
        weight = torch.zeros(3, 2, requires_grad=True)
        batches = composition.batches(x, LABELS, 1)
        return [
            torch.autograd.grad(composition.criterion(inputs @ weight, target), weight)[0] for inputs, target in batches
        ]

    whole = gradients(compose(plan))
    one, two = (gradients(compose(plan, rank=rank, world_size=2)) for rank in (0, 1))
    assert len(one) == len(two)
    # The last batch lacks the sample that is left out so that both processes have equally many.
    for a, b, both in zip(one[:-1], two[:-1], whole[:-1], strict=True):
        assert torch.allclose((a + b) / 2, both, atol=1e-6)


def test_showing_an_epoch_twice_is_warned_of() -> None:
    composition = compose()
    loader = DataLoader(torch.arange(33), batch_size=8, sampler=composition.sampler)
    next(iter(loader))  # a look at one batch is no pass
    first = torch.cat(list(loader))
    with pytest.warns(UserWarning, match=r"epoch 0 is shown a second time, .*: call composition\.on_epoch\(epoch\)"):
        again = torch.cat(list(loader))
    assert torch.equal(first, again)
    composition.on_epoch(1)
    assert not torch.equal(torch.cat(list(loader)), first)


def test_made_up_rows_are_in_no_data_set() -> None:
    x = np.random.default_rng(0).normal(size=(33, 2))
    composition = compose(["resample:method=SMOTE"], x=x)
    with pytest.raises(PlanError, match=r"makes up 17 rows, which your data set does not hold: iterate over compos"):
        list(composition.sampler)
    assert sum(len(inputs) for inputs, _ in composition.batches(x, LABELS, 0)) == 50
