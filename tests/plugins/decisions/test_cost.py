"""Decisions by cost against arithmetic on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from imbtk import RunContext
from imbtk.authoring.options import parse_spec
from imbtk.errors import OptionError
from imbtk_plugins.decisions.cost import Cost


def context(*names: str) -> RunContext:
    counts = torch.ones(len(names), dtype=torch.int64)
    return RunContext(names, counts, counts, torch.arange(len(names)))


TWO = context("benign", "malignant")


@pytest.mark.parametrize("matrix", [[[0, 1], [20, 0]], {"malignant": {"benign": 20}}])
def test_the_threshold_is_one_in_twenty_one(matrix: Any) -> None:
    rule = Cost(matrix=matrix).imbtk_decide(TWO)
    p = np.array([1 / 21 - 1e-6, 1 / 21 + 1e-6])
    assert rule.decide(np.zeros((2, 2)), np.stack([1 - p, p], axis=1)).tolist() == [0, 1]


def test_without_a_matrix_it_is_the_most_probable_class() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    decided = Cost().imbtk_decide(context(*"abcd")).decide(np.zeros((50, 4)), probabilities)
    np.testing.assert_array_equal(decided, probabilities.argmax(1))


def test_three_classes_by_hand() -> None:
    # Expected costs: a 0.3 * 2 + 0.2 * 10 = 2.6, b 0.5 + 0.2 * 4 = 1.3, c 0.5 + 0.3 = 0.8.
    rule = Cost(matrix=[[0, 1, 1], [2, 0, 1], [10, 4, 0]]).imbtk_decide(context(*"abc"))
    assert rule.decide(np.zeros((1, 3)), np.array([[0.5, 0.3, 0.2]])).tolist() == [2]


def test_the_command_line_can_say_both_forms() -> None:
    for text in ("cost:matrix=[[0,1],[20,0]]", "cost:matrix={malignant: {benign: 20}}"):
        assert Cost(**parse_spec(text).options).imbtk_decide(TWO).cost.tolist() == [[0, 1], [20, 0]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0, 1]], "option 'matrix' of strategy 'cost' has 1 rows of 2 numbers, and 2 classes need 2 rows of 2."),
        ([[0, 1], [1, 0, 1]], "has 2 rows of 2, 3 numbers, and 2 classes need 2 rows of 2."),
        ([[1, 0], [20, 0]], "makes it cheaper to take 'benign' for 'malignant' (0) than to get it right (1)."),
        ([[0, 0], [20, 0]], "makes 'malignant' the cheaper decision whatever is true, so that 'benign' would never be"),
        ({"malign": {"benign": 2}}, "names the class 'malign', which the data do not have. Did you mean 'malignant'"),
        ({"malignant": {"bening": 2}}, "names the class 'bening', which the data do not have. Did you mean 'benign'"),
    ],
)
def test_matrices_that_make_no_sense_are_refused_before_training(matrix: Any, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Cost(matrix=matrix).check_run(TWO)
    assert message in str(caught.value)
