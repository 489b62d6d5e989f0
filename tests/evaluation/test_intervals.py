import numpy as np
import pytest
from scipy import stats

from imbtk.evaluation.intervals import (
    clopper_pearson,
    effective_number,
    korn_graubard,
    mover_geometric_mean,
    mover_mean,
    satterthwaite,
    sensitivity_interval,
    studentized,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 10), (49, 50), (12, 12)])
def test_clopper_pearson_agrees_with_scipy(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(hits, n) == pytest.approx((expected.low, expected.high))


def test_without_groups_the_interval_is_clopper_pearson():
    success = np.arange(30) < 21
    assert korn_graubard(success, None) == clopper_pearson(21, 30)


def test_rows_that_are_their_own_groups_count_fully():
    success = np.arange(40) < 25
    assert effective_number(success, np.arange(40)) == pytest.approx(40)


def test_effective_number_by_hand():
    # Six patients of four rows with 4, 3, 3, 2, 4, 3 hits: p = 19/24, y − p m = 5/6, −1/6, −1/6, −7/6, 5/6, −1/6.
    success = np.concatenate([np.arange(4) < hits for hits in (4, 3, 3, 2, 4, 3)])
    groups = np.repeat([7, 3, 9, 1, 4, 8], 4)
    between = 6 / 5 * (2 * 25 + 3 * 1 + 49) / 36 / 24**2
    ratio = (19 / 24 * 5 / 24 / 23) / between
    # Four patients hold a failure: five degrees of freedom, which groups − 1 are too.
    t23, t5 = 2.068658, 2.570582
    assert effective_number(success, groups) == pytest.approx(24 * ratio * (t23 / t5) ** 2, rel=1e-5)


def test_two_failing_groups_of_many_leave_three_degrees_of_freedom():
    hits = np.full(40, 10)
    hits[:2] = 9
    success = np.concatenate([np.arange(10) < h for h in hits])
    between = 40 / 39 * (2 * 0.95**2 + 38 * 0.05**2) / 400**2
    t399, t3 = stats.t.ppf(0.975, [399, 3])
    expected = 400 * (0.995 * 0.005 / 399 / between) * (t399 / t3) ** 2
    assert 40 < expected < 400
    assert effective_number(success, np.repeat(np.arange(40), 10)) == pytest.approx(expected)


def test_never_less_than_the_groups():
    success = np.repeat(np.arange(20) > 2, 5)
    assert effective_number(success, np.repeat(np.arange(20), 5)) == pytest.approx(20)


def test_without_spread_a_group_counts_once():
    assert effective_number(np.ones(50, dtype=bool), np.repeat(np.arange(10), 5)) == pytest.approx(10)
    low, high = korn_graubard(np.ones(50, dtype=bool), np.repeat(np.arange(10), 5))
    assert (low, high) == pytest.approx((0.025 ** (1 / 10), 1.0))


def test_unequal_groups_without_spread_count_by_kish():
    groups = np.repeat([0, 1, 2], [8, 1, 1])
    assert effective_number(np.zeros(10, dtype=bool), groups) == pytest.approx(100 / 66)


def test_one_group_is_worth_one_unit():
    assert effective_number(np.arange(10) < 4, np.zeros(10, dtype=int)) == pytest.approx(1)
    low, high = korn_graubard(np.arange(10) < 4, np.zeros(10, dtype=int))
    assert low < 0.01
    assert high > 0.95


def test_a_single_row():
    assert korn_graubard(np.array([True]), np.array([0])) == pytest.approx((0.025, 1.0))


def test_never_more_than_the_rows():
    # Every patient has one hit in two: less spread between them than chance would give.
    assert effective_number(np.tile([True, False], 12), np.repeat(np.arange(12), 2)) == 24


def test_order_and_names_of_groups_do_not_matter():
    rng = np.random.default_rng(3)
    success, groups = rng.random(60) < 0.7, rng.integers(0, 9, 60)
    order = rng.permutation(60)
    other = korn_graubard(success[order], groups[order] * 1000 + 5)
    assert korn_graubard(success, groups) == pytest.approx(other)


def test_mover_of_one_is_its_interval():
    assert mover_mean(np.array([0.7]), np.array([[0.5, 0.8]])) == pytest.approx((0.5, 0.8))
    assert mover_geometric_mean(np.array([0.7]), np.array([[0.5, 0.8]])) == pytest.approx((0.5, 0.8))


def test_mover_by_hand():
    values, ends = np.array([0.9, 0.5]), np.array([[0.6, 1.0], [0.1, 0.8]])
    assert mover_mean(values, ends) == pytest.approx((0.7 - 0.5 / 2, 0.7 + np.hypot(0.1, 0.3) / 2))


def test_geometric_mean_reaches_down_to_nought():
    low, high = mover_geometric_mean(np.array([1.0, 0.5]), np.array([[0.6, 1.0], [0.0, 0.9]]))
    assert low == 0.0
    assert high == pytest.approx(np.sqrt(0.5) * np.exp(np.log(0.9 / 0.5) / 2))


def test_satterthwaite_is_welch():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=6), 3 * rng.normal(size=11)
    parts = np.array([a.var(ddof=1) / 6, b.var(ddof=1) / 11])
    welch = stats.ttest_ind(a, b, equal_var=False).df
    assert satterthwaite(parts, np.array([5.0, 10.0])) == pytest.approx(welch)


def test_satterthwaite_without_variance_adds_the_degrees():
    assert satterthwaite(np.zeros(2), np.array([3.0, 4.0])) == 7


def test_studentized_stays_in_range_and_is_a_t_interval_when_narrow():
    t = stats.t.ppf(0.975, 9)
    for scale in ("logit", "log", "fisher"):
        assert studentized(0.6, 1e-4, 9, scale) == pytest.approx((0.6 - t * 1e-4, 0.6 + t * 1e-4), abs=1e-7)
    low, high = studentized(0.98, 0.05, 4, "logit")
    assert 0 < low < 0.98 < high < 1
    low, high = studentized(-0.9, 0.2, 4, "fisher")
    assert -1 < low < -0.9 < high < 1
    assert studentized(0.1, 0.2, 4, "log")[0] > 0


def beta_binomial(rng, groups, correlation, p):
    """One study: patients of unequal size whose own sensitivities vary."""
    m = np.maximum(1, rng.negative_binomial(2, 2 / 14, size=groups))
    s = 1 / correlation - 1
    hits = rng.binomial(m, rng.beta(p * s, (1 - p) * s, size=groups))
    row = np.arange(m.sum()) - np.repeat(np.cumsum(m) - m, m)
    return row < np.repeat(hits, m), np.repeat(np.arange(groups), m)


@pytest.mark.parametrize(("correlation", "p"), [(0.1, 0.7), (0.3, 0.9), (0.6, 0.9)])
def test_ten_patients_are_covered(correlation, p):
    rng = np.random.default_rng(11)
    held = plain = 0
    for _ in range(400):
        success, groups = beta_binomial(rng, 10, correlation, p)
        low, high = korn_graubard(success, groups)
        held += low <= p <= high
        low, high = korn_graubard(success, None)
        plain += low <= p <= high
    assert held / 400 >= 0.92
    assert plain / 400 < 0.87, "rows taken as independent should not cover: is the simulation still clustered?"


def test_a_sensitivity_has_the_interval_of_its_groups():
    found, groups = np.arange(40) < 30, np.arange(40) // 4
    assert sensitivity_interval(found) == clopper_pearson(30, 40)
    assert sensitivity_interval(found, groups) == korn_graubard(found, groups)
