"""The ledger against closed forms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from imbtk.errors import PluginError
from imbtk.planning.ledger import correction_index, is_shifted_cross_entropy, ledger_of, same_loss

COUNTS = torch.tensor([900, 90, 10])
NATURAL = COUNTS.double() / 1000


def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, target, reduction="none")


def test_nothing_leaves_the_natural_prior() -> None:
    ledger = ledger_of(COUNTS, COUNTS, NATURAL, None, None)
    for row in (ledger.natural, ledger.resampled, ledger.ordered, ledger.weighted, ledger.effective):
        assert torch.allclose(row, NATURAL)
    assert ledger.index == pytest.approx(0.0)


def test_weights_multiply_the_order() -> None:
    order = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    weights = torch.tensor([1.0, 2.0, 4.0])
    ledger = ledger_of(COUNTS, COUNTS, order, weights, None)
    expected = torch.tensor([0.5, 0.6, 0.8], dtype=torch.float64) / 1.9
    assert torch.allclose(ledger.effective, expected)


def test_the_fit_finds_what_cross_entropy_believes() -> None:
    weights = torch.tensor([1.0, 3.0, 30.0])
    closed = ledger_of(COUNTS, COUNTS, NATURAL, weights, None).effective
    fitted = ledger_of(COUNTS, COUNTS, NATURAL, weights, cross_entropy).effective
    assert torch.allclose(closed, fitted, atol=1e-6)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_logit_adjustment_moves_belief_by_tau_log_prior(tau: float) -> None:
    shift = tau * NATURAL.log()

    def adjusted(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits + shift, target)

    ledger = ledger_of(COUNTS, COUNTS, NATURAL, None, adjusted)
    expected = torch.softmax((1 - tau) * NATURAL.log(), 0)
    assert torch.allclose(ledger.effective, expected, atol=1e-6)
    assert ledger.index == pytest.approx(tau, abs=1e-4)


@pytest.mark.parametrize("counts", [(900, 90, 10), (999_000, 990, 10), (10_000_000, 1, 0)])
def test_of_the_biases_that_suit_scaled_logits_it_takes_the_shortest(counts: tuple[int, ...]) -> None:
    n = torch.tensor(counts)
    prior = n.double() / n.sum()
    log_prior = prior.clamp_min(1e-12).log()
    scale = (n.clamp(min=1) / n.max()).double() ** 0.3
    present = n > 0
    # Gradient steps keep Σ b/scale at 0, and scale·b = log π + c at the least loss.
    c = -(log_prior / scale**2)[present].sum() / (1 / scale**2)[present].sum()
    expected = torch.where(present, (log_prior + c) / scale, -torch.inf).softmax(0)
    found = ledger_of(n, n, prior, None, lambda logits, target: cross_entropy(scale * logits, target)).effective
    assert found is not None
    assert torch.allclose(found, expected, rtol=1e-3)
    level = ledger_of(n, n, prior, None, lambda z, target: cross_entropy(scale * z + log_prior, target)).effective
    assert level is not None
    assert torch.allclose(level, present.double() / present.sum(), atol=1e-5)


@pytest.mark.parametrize(("power", "index"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0)])
def test_the_index_is_the_exponent_of_inverse_frequency_weights(power: float, index: float) -> None:
    weights = COUNTS.double().pow(-power)
    assert ledger_of(COUNTS, COUNTS, NATURAL, weights, None).index == pytest.approx(index)


def test_equal_frequencies_have_no_index() -> None:
    even = torch.tensor([100, 100])
    assert correction_index(even.double() / 200, torch.tensor([0.9, 0.1])) is None


def test_absent_classes_take_no_part() -> None:
    counts = torch.tensor([90, 10, 0])
    mass = counts.double() / 100
    ledger = ledger_of(counts, counts, mass, torch.tensor([1.0, 9.0, 0.0]), cross_entropy)
    assert torch.allclose(ledger.effective, torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64), atol=1e-6)
    assert ledger.index == pytest.approx(1.0, abs=1e-4)


def test_a_criterion_that_asks_for_features_is_not_known_beforehand() -> None:
    def wants(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits, target)

    wants.wanted = frozenset({"features"})  # type: ignore[attr-defined]
    ledger = ledger_of(COUNTS, COUNTS, NATURAL, None, wants)
    assert ledger.effective is None
    assert ledger.index is None
    assert ledger.table()["effective"] is None


CPU = torch.device("cpu")


def shifted(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits + torch.tensor([0.0, -1.0, 3.0]), target)


def focal(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    loss = cross_entropy(logits, target)
    return (1 - (-loss).exp()) ** 2 * loss


def margin(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits - 0.5 * target, target)


def smoothed(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits, 0.9 * target + 0.1 / 3)


def warmer(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits / 2, target)


def wants_features(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits, target)


def fails(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    raise PluginError("it failed")


wants_features.wanted = frozenset({"features"})  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (cross_entropy, True),
        (shifted, True),
        (focal, False),
        (margin, False),
        (smoothed, False),
        (warmer, False),
        (wants_features, False),
        (fails, False),
        (lambda logits, target: cross_entropy(logits, target).mean(), False),
        (lambda logits, target: logits.sum(1) / 0, False),
    ],
)
def test_cross_entropy_with_shifts_is_known_by_trying(criterion: object, expected: bool) -> None:
    assert is_shifted_cross_entropy(criterion, 3, CPU) is expected  # type: ignore[arg-type]


def test_the_same_loss_is_known_by_trying() -> None:
    assert same_loss(cross_entropy, lambda z, t: cross_entropy(z + 5, t), 3, CPU)
    assert not same_loss(cross_entropy, shifted, 3, CPU)
    assert not same_loss(cross_entropy, wants_features, 3, CPU)
