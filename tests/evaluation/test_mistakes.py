"""Which mistakes are looked at."""

from __future__ import annotations

import numpy as np

from imbtk.authoring.prediction import ABSTAIN
from imbtk.evaluation.mistakes import surest_mistakes


def test_mistakes_are_those_of_the_decision_the_surest_first() -> None:
    p = np.array([[0.9, 0.1], [0.45, 0.55], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]])
    truth = np.array([1, 0, 0, 0, 1, 1])
    # Not the most probable class: the third row is decided against the odds, the last two are left open or right.
    predicted = np.array([0, 1, 1, 1, ABSTAIN, 1])
    found = surest_mistakes(truth, predicted, p)
    assert found.tolist() == [0, 3, 1, 2]
    assert found.dtype == np.int64


def test_equally_sure_ones_stand_in_the_order_of_rows() -> None:
    p = np.full((4, 2), 0.5)
    assert surest_mistakes(np.zeros(4, int), np.array([1, 0, 1, 1]), p).tolist() == [0, 2, 3]


def test_where_nothing_is_wrong_there_is_nothing_to_look_at() -> None:
    assert len(surest_mistakes(np.array([0, 1]), np.array([0, ABSTAIN]), np.eye(2))) == 0
