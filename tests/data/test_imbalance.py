import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtk.data.dataset import InducedImbalance
from imbtk.data.imbalance import induce, target_counts


@pytest.mark.parametrize(
    ("classes", "largest", "induced", "expected"),
    [
        # The training counts of long-tailed CIFAR-10, as published with LDAM.
        (10, 5000, InducedImbalance(100), [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]),
        (10, 5000, InducedImbalance(10), [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500]),
        (4, 500, InducedImbalance(100, "step"), [500, 500, 5, 5]),
        (3, 90, InducedImbalance(10, "step"), [90, 9, 9]),
        (2, 10, InducedImbalance(1000), [10, 1]),
    ],
)
def test_counts(classes: int, largest: int, induced: InducedImbalance, expected: list[int]) -> None:
    assert target_counts(torch.full((classes,), largest), induced).tolist() == expected


def test_no_class_gets_more_than_it_has() -> None:
    assert target_counts(torch.tensor([5, 100, 0]), InducedImbalance(4)).tolist() == [5, 50, 0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=5, max_size=80),
    st.floats(1, 100),
    st.sampled_from(["long-tail", "step"]),
    st.integers(0, 3),
)
def test_rows_that_stay(labels: list[int], factor: float, profile: str, seed: int) -> None:
    all_labels = torch.tensor(labels)
    rows = torch.arange(0, len(labels), 2)
    induced = InducedImbalance(factor, profile, seed)  # type: ignore[arg-type]
    kept = induce(all_labels, rows, induced, 5)
    before, after = (torch.bincount(all_labels[r], minlength=5) for r in (rows, kept))
    assert torch.equal(after, target_counts(before, induced))
    assert set(kept.tolist()) <= set(rows.tolist())
    assert kept.tolist() == sorted(kept.tolist())
    assert ((after > 0) == (before > 0)).all()
    assert torch.equal(kept, induce(all_labels, rows, induced, 5))
    harder = induce(all_labels, rows, InducedImbalance(factor * 2, profile, seed), 5)  # type: ignore[arg-type]
    assert set(harder.tolist()) <= set(kept.tolist())


def test_another_seed_keeps_other_rows() -> None:
    labels = torch.arange(2).repeat(100)
    kept = [induce(labels, torch.arange(200), InducedImbalance(10, seed=seed), 2) for seed in (0, 1)]
    assert len(kept[0]) == len(kept[1]) == 110
    assert not torch.equal(kept[0], kept[1])


def test_the_global_random_state_is_left_alone() -> None:
    state = torch.get_rng_state()
    induce(torch.arange(2).repeat(10), torch.arange(20), InducedImbalance(10), 2)
    assert torch.equal(state, torch.get_rng_state())
