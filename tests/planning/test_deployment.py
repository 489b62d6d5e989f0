"""Deployment priors: what is read, what is refused, and what a map becomes."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk.authoring.prediction import CalibrationMap
from imbtk.errors import OptionError
from imbtk.planning.deployment import deployed, parse_deployment

NAMES = ("benign", "malignant")
NATURAL = np.array([0.6, 0.4])


@pytest.mark.parametrize(
    ("text", "prior"),
    [
        ("natural", [0.6, 0.4]),
        ("uniform", [0.5, 0.5]),
        ("benign=0.9,malignant=0.1", [0.9, 0.1]),
        (" malignant = 1e-1 , benign=.9 ", [0.9, 0.1]),
        ("'benign'=0.75,\"malignant\"=0.25", [0.75, 0.25]),
        ("benign=0.9000001,malignant=0.1", [0.9, 0.1]),
    ],
)
def test_priors_that_can_be_read(text: str, prior: list[float]) -> None:
    found = parse_deployment(text, NAMES, NATURAL)
    assert found == pytest.approx(prior, abs=1e-6)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


def test_class_names_may_hold_commas_and_equal_signs() -> None:
    assert parse_deployment("a, b=1=0.25,c=0.75", ("a, b=1", "c"), NATURAL).tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("benign=0.9,malignant=0.2", "sum to 1.1 instead of 1"),
        ("benign=0.9", "gives no share for 'malignant'. Write natural, uniform, or the share of every class"),
        ("benign=0.9,malign=0.1", "names the class 'malign'. Did you mean 'malignant'"),
        ("benign=0.9,benign=0.1", "names the class 'benign' twice"),
        ("benign=1,malignant=0", "gives class 'malignant' the share '0': it must be a number above 0"),
        ("benign=1.5,malignant=-0.5", "gives class 'benign' the share '1.5'"),
        ("benign=nan,malignant=0.5", "gives class 'benign' the share 'nan'"),
        ("benign=much,malignant=0.5", "gives class 'benign' the share 'much'"),
        ("balanced", "cannot be read. Write natural, uniform"),
        ("", "gives no share for 'benign', 'malignant'"),
    ],
)
def test_priors_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_deployment(text, NAMES, NATURAL)


def test_many_classes_get_a_short_example() -> None:
    with pytest.raises(OptionError, match=r"--deploy \"c0=0.9,c1=0.01,…\""):
        parse_deployment("c0=1", tuple(f"c{k}" for k in range(9)), np.full(9, 1 / 9))


def test_a_move_of_prior_is_bayes_rule() -> None:
    calibration = CalibrationMap(0.5, np.array([0.3, -0.2]))
    logits = np.array([[1.0, 2.0], [3.0, -1.0]])
    p = calibration.probabilities(logits)
    expected = p * np.array([0.99 / 0.6, 0.01 / 0.4])
    expected /= expected.sum(axis=1, keepdims=True)
    there = deployed(calibration, NATURAL, np.array([0.99, 0.01]))
    assert there.probabilities(logits) == pytest.approx(expected)
    back = deployed(there, np.array([0.99, 0.01]), NATURAL)
    assert back.probabilities(logits) == pytest.approx(p)
    assert deployed(calibration, NATURAL, NATURAL) is calibration


def test_a_class_that_was_never_seen_is_not_moved() -> None:
    moved = deployed(CalibrationMap(), np.array([0.6, 0.4, 0.0]), np.full(3, 1 / 3))
    assert moved.shift == pytest.approx([np.log(1 / 1.8), np.log(1 / 1.2), 0.0])
