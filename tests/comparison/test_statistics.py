"""The tests, against scipy, statsmodels' textbook numbers, arithmetic on paper, and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from imbtk.comparison.metrics import Spread, unit_contributions
from imbtk.comparison.statistics import (
    corrected_t_test,
    detectable_difference,
    holm,
    is_linear,
    mcnemar,
    paired_p_value,
    sign_flip,
    swap_test,
    tost,
    tost_of_twins,
    verdict,
)


def test_sign_flip_is_the_share_of_all_sign_patterns() -> None:
    d = np.array([0.4, -0.1, 0.35, 0.2, 0.05, -0.02])
    sums = [abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in product((-1, 1), repeat=len(d))]
    expected = np.mean([total >= abs(d.sum()) - 1e-12 for total in sums])
    assert sign_flip(d, seed=0) == pytest.approx(expected, abs=1e-12)


def test_sign_flip_of_many_units_is_near_the_normal_approximation() -> None:
    d = np.random.default_rng(0).normal(0.06, 1, size=900)
    z = d.sum() / np.sqrt((d**2).sum())
    assert sign_flip(d, seed=0) == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.02)


def test_sign_flip_leaves_out_units_that_do_not_differ() -> None:
    d = np.array([0.4, -0.1, 0.35, 0.2])
    assert sign_flip(np.concatenate([d, np.zeros(500)]), seed=0) == sign_flip(d, seed=0)


@pytest.mark.parametrize("d", [np.zeros(30), np.array([0.2]), np.zeros(0)])
def test_sign_flip_without_evidence_is_one(d: np.ndarray) -> None:
    assert sign_flip(d, seed=0) == 1.0


def test_sign_flip_is_the_same_each_time() -> None:
    d = np.random.default_rng(1).normal(0.1, 1, size=60)
    assert sign_flip(d, seed=3) == sign_flip(d, seed=3)


def test_swapping_plans_is_the_same_test_as_flipping_signs_for_a_sum_over_units(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (first, second) = simulate(4, lift=0.25)
    d = unit_contributions(rows, first, "balanced_accuracy") - unit_contributions(rows, second, "balanced_accuracy")
    assert swap_test(rows, first, second, "balanced_accuracy", seed=0) == pytest.approx(sign_flip(d, seed=0), abs=0.03)


@pytest.mark.parametrize("name", ["mcc", "auroc", "log_loss"])
def test_swap_test_of_figures_that_are_no_sums(simulate, name: str) -> None:  # type: ignore[no-untyped-def]
    rows, (first, second) = simulate(5, lift=2.0)
    assert swap_test(rows, first, second, name, seed=0) < 0.05
    assert swap_test(rows, first, first, name, seed=0) == 1.0


def test_one_strategy_under_two_names_gives_few_verdicts(simulate) -> None:  # type: ignore[no-untyped-def]
    p = []
    for seed in range(300):
        rows, (first, second) = simulate(seed, patients=(12, 8))
        p.append(paired_p_value(rows, first, second, "balanced_accuracy", seed))
    wrong = sum(value <= 0.05 for value in p)
    # 1 in 1,000 if the level is held.
    assert wrong <= stats.binom.ppf(0.999, 300, 0.05)
    assert wrong >= 3


def test_a_real_difference_is_found(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (first, second) = simulate(0, patients=(40, 30), lift=0.8)
    assert paired_p_value(rows, first, second, "balanced_accuracy", 0) < 0.01


def test_abstentions_make_no_sum_over_units(simulate) -> None:  # type: ignore[no-untyped-def]
    _, (first, second) = simulate(0)
    assert is_linear("balanced_accuracy", [first, second])
    assert not is_linear("mcc", [first, second])
    first.predicted[0, 0] = -1
    assert not is_linear("balanced_accuracy", [first, second])


def test_holm_on_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_corrected_t_test_on_paper() -> None:
    d = np.array([0.02, 0.04, 0.03, 0.05, 0.01])
    t, degrees, p = corrected_t_test(d, test_share=0.25)
    # mean 0.03, variance 0.00025, (1/5 + 1/4) * variance = 0.0001125
    assert t == pytest.approx(0.03 / np.sqrt(0.0001125))
    assert degrees == 4
    assert p == pytest.approx(2 * stats.t.sf(t, 4))


def test_corrected_t_test_without_correction_is_scipys() -> None:
    d = np.random.default_rng(2).normal(0.1, 1, size=15)
    t, _, p = corrected_t_test(d, test_share=0.0)
    expected = stats.ttest_1samp(d, 0)
    assert (t, p) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))


def test_corrected_t_test_of_equal_plans() -> None:
    assert corrected_t_test(np.zeros(5), 0.25) == (0.0, 4, 1.0)
    assert corrected_t_test(np.full(5, 0.1), 0.25)[2] == 0.0


def test_mcnemar_is_the_binomial_test_of_discordant_rows() -> None:
    labels = np.ones(12, dtype=int)
    first = np.array([1] * 10 + [0] * 2)
    second = np.array([0] * 8 + [1] * 4)
    # only the first is right in 8 rows, only the second in 2: 2 * P(X >= 8 | n = 10) = 0.109375
    assert mcnemar(labels, first, second) == (8, 2, pytest.approx(0.109375))
    assert mcnemar(labels, first, first) == (0, 0, 1.0)


def test_tost_is_two_t_tests() -> None:
    found = tost(0.01, Spread(0.008, 30), 0.03)
    assert found.not_worse == pytest.approx(stats.t.sf(0.04 / 0.008, 30))
    assert found.not_better == pytest.approx(stats.t.cdf(-0.02 / 0.008, 30))
    assert found.equivalent == found.not_better


def test_plans_that_are_never_apart_are_equivalent_at_their_level() -> None:
    # Two plans at the very margin: they differ in 10 % of the units of a class. How often is none of those sampled?
    rng = np.random.default_rng(0)
    for units in (6, 28, 29, 60):
        never_apart = (rng.random((20_000, units)) >= 0.1).all(axis=1).mean()
        assert tost_of_twins(0.1, units).equivalent == pytest.approx(never_apart, abs=0.01)


def test_equivalence_is_when_the_90_percent_interval_is_inside_the_margin() -> None:
    spread = Spread(0.01, 25)
    for difference in np.linspace(-0.05, 0.05, 41):
        low, high = spread.around(float(difference), confidence=0.90)
        assert (tost(float(difference), spread, 0.03).equivalent <= 0.05) == (low >= -0.03 and high <= 0.03)


def test_detectable_difference_has_eighty_percent_power() -> None:
    size = detectable_difference(Spread(0.02, 100_000))
    assert size == pytest.approx((1.959964 + 0.841621) * 0.02, rel=1e-3)
    rng = np.random.default_rng(0)
    found = np.abs(rng.normal(size, 0.02, size=20_000)) > 1.959964 * 0.02
    assert found.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("difference", "p", "p_equal", "expected"),
    [
        (0.1, 0.01, None, "better"),
        (-0.1, 0.01, 0.5, "worse"),
        (0.001, 0.4, 0.01, "equivalent within the margin"),
        (0.001, 0.4, 0.2, "no evidence of a difference"),
        (0.001, 0.4, None, "no evidence of a difference"),
    ],
)
def test_verdict(difference: float, p: float, p_equal: float | None, expected: str) -> None:
    assert verdict(difference, p, p_equal) == expected
