"""Mixup, remix and CutMix against torchvision and arithmetic on paper, and what they reduce to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins.resumed import resumed_equals_uninterrupted

from imbtk import Draw, RunContext
from imbtk.authoring.records import Batch
from imbtk.errors import DataError
from imbtk_plugins.mixing.blends.mixup import Mixup
from imbtk_plugins.mixing.blends.remix import Remix
from imbtk_plugins.mixing.boxes.cutmix import Cutmix


class Given:
    """A draw of given shares, one for each sample; notes what they were asked of."""

    def __init__(self, *shares: float) -> None:
        self._shares = torch.tensor(shares)[:, None]
        self.asked: list[tuple[float, float]] = []

    def beta(self, a: float, b: float) -> torch.Tensor:
        self.asked.append((a, b))
        return self._shares


def context(*counts: int, kind: str = "images") -> RunContext:
    tensor = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), tensor)
    names = tuple(f"c{k}" for k in range(len(counts)))
    return RunContext(names, tensor, tensor, labels, kind=kind, sample_shape=(3, 8, 6))  # type: ignore[arg-type]


def one_hot(labels: list[int], k: int) -> torch.Tensor:
    return torch.eye(k)[labels]


def batch(labels: list[int], k: int, seed: int = 0) -> Batch:
    inputs = torch.randn(len(labels), 3, 8, 6, generator=torch.Generator().manual_seed(seed))
    return Batch(inputs, one_hot(labels, k), torch.arange(len(labels)), torch.tensor(labels))


def test_mixup_is_torchvisions_for_the_same_share_and_pairs() -> None:
    from torchvision.transforms import v2

    own = batch([0, 1, 2, 1], 3)
    lam = 0.3
    theirs = v2.MixUp(num_classes=3)
    images = theirs.transform(own.inputs, {"lam": lam, "labels": own.labels, "batch_size": 4})
    # torchvision pairs each sample with the one before it in the batch.
    partner = Batch(own.inputs.roll(1, 0), own.target.roll(1, 0), own.rows, own.labels.roll(1, 0))
    mix: Any = Mixup().imbtk_mix()
    made, mixed = mix(own.inputs, own.target, Given(lam, lam, lam, lam), partner=partner)
    torch.testing.assert_close(made, images)
    torch.testing.assert_close(mixed, theirs._mixup_label(own.labels, lam=lam))


RATIOS = [(90, 30), (30, 90), (89, 30), (30, 89), (50, 50), (100, 20), (20, 100), (99, 20)]


@settings(max_examples=80, deadline=None)
@given(
    counts=st.sampled_from(RATIOS),
    lam=st.floats(0, 1, width=32),
    tau=st.floats(0, 1, width=32),
    kappa=st.sampled_from([1.5, 3.0, 5.0]),
)
def test_remix_on_paper(counts: tuple[int, int], lam: float, tau: float, kappa: float) -> None:
    n_a, n_b = counts
    own, partner = batch([0], 2), batch([1], 2, seed=1)
    mix: Any = Remix(tau=tau, kappa=kappa).imbtk_mix(context(n_a, n_b))
    made, mixed = mix(own.inputs, own.target, Given(lam), partner=partner)
    lam32 = float(np.float32(lam))
    of_a = lam32
    if n_a >= kappa * n_b and lam32 < tau:
        of_a = 0.0
    elif kappa * n_a <= n_b and float(np.float32(1) - np.float32(lam)) < tau:
        of_a = 1.0
    assert mixed[0].tolist() == pytest.approx([of_a, 1 - of_a], abs=1e-6)
    torch.testing.assert_close(made, lam32 * own.inputs + (1 - lam32) * partner.inputs, rtol=1e-5, atol=1e-6)


def test_remix_reduces_to_mixup_with_equal_counts_and_with_no_share() -> None:
    own, partner = batch([0, 1, 2], 3), batch([1, 2, 0], 3, seed=1)
    shares = Given(0.1, 0.5, 0.9)
    expected: Any = Mixup().imbtk_mix()(own.inputs, own.target, shares, partner=partner)
    for strategy, counts in ((Remix(), (40, 40, 40)), (Remix(tau=0), (400, 40, 4))):
        mix: Any = strategy.imbtk_mix(context(*counts))
        for found, wanted in zip(mix(own.inputs, own.target, shares, partner=partner), expected, strict=True):
            torch.testing.assert_close(found, wanted)


def test_a_class_without_rows_makes_nothing_infinite() -> None:
    mix: Any = Remix().imbtk_mix(context(10, 5, 0))
    _, mixed = mix(*batch([0, 1], 3)[:2], Given(0.4, 0.4), partner=batch([1, 0], 3))
    assert bool(mixed.isfinite().all())


def test_cutmix_pastes_the_partner_in_a_box_and_shares_by_area() -> None:
    size = 300
    own, partner = torch.zeros(size, 3, 8, 6), torch.ones(size, 3, 8, 6)
    target = torch.tensor([[1.0, 0.0]]).repeat(size, 1)
    other = Batch(partner, target.flip(1), torch.arange(size), torch.ones(size, dtype=torch.int64))
    mix: Any = Cutmix().imbtk_mix()
    made, mixed = mix(own, target, Draw(0, "cutmix", 0, np.arange(size)), partner=other)
    area = made[:, 0].flatten(1).mean(1)
    torch.testing.assert_close(mixed[:, 1], area)
    rows, columns = made[:, 0].amax(2), made[:, 0].amax(1)
    # A box: as many pixels as its sides' product.
    torch.testing.assert_close(area * 48, rows.sum(1) * columns.sum(1))
    assert 0.2 < float(area.mean()) < 0.45  # (1 - u) on average 1/2, less what the edges cut off
    half, _ = Cutmix(probability=0.5).imbtk_mix()(own, target, Draw(0, "x", 0, np.arange(size)), partner=other)
    assert 0.35 < float((half.flatten(1).amax(1) == 0).float().mean()) < 0.65


@pytest.mark.parametrize("strategy", [Mixup(alpha=0.3), Remix(alpha=0.3), Cutmix(alpha=0.3)])
def test_shares_are_of_the_beta_distribution_that_was_asked_for(strategy: Any) -> None:
    draw = Given(0.2, 0.7)
    draw.uniform = lambda: torch.zeros(2, 1)  # type: ignore[attr-defined]
    draw.integers = lambda high: torch.zeros(2, 1, dtype=torch.int64)  # type: ignore[attr-defined]
    mix = strategy.imbtk_mix(context(5, 5)) if isinstance(strategy, Remix) else strategy.imbtk_mix()
    mix(*batch([0, 1], 2)[:2], draw, partner=batch([1, 0], 2))
    assert draw.asked == [(0.3, 0.3)]


@pytest.mark.parametrize("strategy", [Mixup(), Remix(), Cutmix()])
def test_partners_are_the_same_rows_in_another_order(strategy: Any) -> None:
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    found = strategy.imbtk_partner()(0, order, Draw(0, "x"))
    assert torch.equal(found.sort().values, order.sort().values)
    assert not torch.equal(found, order)


def test_a_table_has_no_boxes() -> None:
    with pytest.raises(DataError, match="'cutmix' pastes boxes of images"):
        Cutmix().check_run(context(5, 5, kind="table"))


@pytest.mark.parametrize("plan", [["mixup@1-"], ["remix"], ["mixup:alpha=0.2", "class-weights"]])
def test_a_resumed_run_is_the_same_to_the_bit(plan: list[str]) -> None:
    assert resumed_equals_uninterrupted(plan, data="builtin:breast-cancer")
