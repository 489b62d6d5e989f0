"""Mean curves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc

from imbtk.comparison.curves import plan_curves
from imbtk.comparison.metrics import figures


def test_the_area_under_the_mean_curve_is_the_mean_area(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(0, patients=(60, 40))
    curve = plan_curves(rows, outcome, positive=1)["roc"]
    ones = np.ones((int(rows.unit.max()) + 1, 1))
    mean = float(figures(rows, outcome, rows.unit, ones)["auroc"][0])
    assert auc(curve["x"], curve["y"]) == pytest.approx(mean, abs=0.02)


def test_reliability_counts_every_prediction_of_every_repeat(simulate) -> None:  # type: ignore[no-untyped-def]
    rows, (outcome, _) = simulate(1, repeats=3)
    for positive in (None, 1):
        bins = plan_curves(rows, outcome, positive)["reliability"]
        assert sum(b["n"] for b in bins) == 3 * len(rows.labels)
