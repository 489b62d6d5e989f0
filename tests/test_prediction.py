"""Calibration maps and decision rules as data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from imbtk.prediction import CalibrationMap

LOGITS = np.array([[0.0, 1.0, -1.0], [2.0, 0.5, 0.0], [-3.0, 0.0, 3.0]])
TABLES = tuple((np.array([0.1, 0.5, 0.9]), np.array([0.05, 0.6, 0.8])) for _ in range(3))


@pytest.mark.parametrize("tables", [None, TABLES])
def test_a_shift_multiplies_probabilities(tables: tuple[tuple[np.ndarray, np.ndarray], ...] | None) -> None:
    calibration = CalibrationMap(0.7, np.array([0.1, 0.0, -0.1]), tables)
    factor = np.array([1.0, 3.0, 0.2])
    expected = calibration.probabilities(LOGITS) * factor
    expected /= expected.sum(axis=1, keepdims=True)
    moved = calibration.shifted(np.log(factor))
    assert moved.probabilities(LOGITS) == pytest.approx(expected)
    assert moved.shifted(-np.log(factor)).probabilities(LOGITS) == pytest.approx(calibration.probabilities(LOGITS))


def test_what_is_written_is_read_back() -> None:
    calibration = CalibrationMap(0.7, None, TABLES).shifted(np.array([0.5, 0.0, -0.5]))
    again = CalibrationMap.from_json(json.loads(json.dumps(calibration.to_json())))
    assert (again.probabilities(LOGITS) == calibration.probabilities(LOGITS)).all()
    old = {"scale": 2.0, "shift": [0.0, 1.0, 2.0], "tables": None}
    assert CalibrationMap.from_json(old).late_shift is None
