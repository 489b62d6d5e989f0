"""Abstentions: how many, which ones, and that they are the best to leave open."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import softmax

from imbtk.authoring.prediction import ABSTAIN
from imbtk.errors import DataError
from imbtk_plugins.decisions.reject import Reject


@pytest.mark.parametrize(("rate", "n", "left_open"), [(0.1, 100, 10), (0.25, 10, 2), (0.3, 10, 3)])
def test_as_many_validation_rows_are_left_open(rate: float, n: int, left_open: int) -> None:
    logits = np.random.default_rng(0).normal(size=(n, 3))
    rule = Reject(rate=rate).imbtk_decide(logits, softmax(logits, axis=1))
    decided = rule.decide(logits, softmax(logits, axis=1))
    assert (decided == ABSTAIN).sum() == left_open
    np.testing.assert_array_equal(decided[decided != ABSTAIN], logits.argmax(1)[decided != ABSTAIN])


def test_rows_at_the_border_are_left_open_on_both_sides_whatever_the_calibration() -> None:
    logits = np.array([[0.0, 4.0], [0.0, 0.2], [0.2, 0.0], [4.0, 0.0]])
    calibrated = softmax(logits + np.array([3.0, 0.0]), axis=1)
    rule = Reject(rate=0.5).imbtk_decide(logits, calibrated)
    assert rule.decide(logits, calibrated).tolist() == [1, ABSTAIN, ABSTAIN, 0]
    deployed = Reject(rate=0.5, decide="deploy").imbtk_decide(logits, calibrated)
    # By the calibrated probabilities the first row, at odds of e to 1, and the second, at e^2.8, are the least sure.
    assert deployed.decide(logits, calibrated).tolist() == [ABSTAIN, ABSTAIN, 0, 0]


def test_no_other_choice_of_rows_is_expected_to_make_fewer_errors() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(3), size=8)
    rule = Reject(rate=0.25, decide="deploy").imbtk_decide(np.zeros((8, 3)), probabilities)
    kept = rule.decide(np.zeros((8, 3)), probabilities) != ABSTAIN
    errors = 1 - probabilities.max(axis=1)
    best = min(sum(errors[list(rows)]) for rows in itertools.combinations(range(8), 6))
    assert errors[kept].sum() == pytest.approx(best)


def test_less_than_a_row_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"rate=0.1 of strategy 'reject' is less than one of 5 rows that it is fitted on"
    ):
        Reject().imbtk_decide(np.zeros((5, 2)), np.full((5, 2), 0.5))
