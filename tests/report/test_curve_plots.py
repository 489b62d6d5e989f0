"""ROC, precision-recall and reliability curves."""

from __future__ import annotations

import numpy as np

from imbtk.report.curve_plots import MOST_CURVES, Bins, Curve, precision_recall, reliability, roc
from imbtk.report.palette import RARE

X = np.array([0.0, 0.2, 1.0])
Y = np.array([0.0, 0.8, 1.0])


def test_few_classes_are_drawn_each_with_its_area() -> None:
    figure = roc([Curve("common", X, Y, 0.8, "0.80"), Curve("rare", X, Y, 0.7, "0.70", rare=True)])
    lines = figure.axes[0].get_lines()[1:]
    assert [line.get_label() for line in lines] == ["common  0.80", "rare  0.70"]
    assert [line.get_color() == RARE for line in lines] == [False, True]
    np.testing.assert_array_equal(lines[0].get_ydata(), Y)


def test_many_classes_are_a_band_with_the_rare_and_the_worst() -> None:
    curves = [Curve(f"c{k}", X, Y, 0.5 + k / 100, f"{k}", rare=k == 20) for k in range(30)]
    axes = roc(curves).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["9 of 10 classes", "median class", "c20  20", "c0  0", "c1  1", "c2  2"]


def test_precision_shows_what_guessing_reaches() -> None:
    figure = precision_recall([Curve("rare", X, Y, rare=True, prevalence=0.03)])
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == [0.03, 0.03]


def test_reliability_shows_shares_and_counts() -> None:
    bins = Bins("rare", np.array([0.1, 0.9]), np.array([0.2, 0.8]), np.array([1500, 3]), rare=True)
    above, below = reliability([bins], unit="patient").axes
    assert above.get_lines()[1].get_ydata().tolist() == [0.2, 0.8]
    assert below.get_lines()[0].get_ydata().tolist() == [1500, 3]
    assert below.get_ylabel() == "patients"
    assert len(reliability([bins] * 12).axes[0].get_lines()) == 1 + MOST_CURVES
