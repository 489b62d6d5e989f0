"""ROC, precision-recall and reliability curves."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk.report.curve_plots import MOST_CURVES, Bins, Curve, precision_recall, reliability, reliability_end, roc
from imbtk.report.palette import RARE

X = np.array([0.0, 0.2, 1.0])
Y = np.array([0.0, 0.8, 1.0])


def test_few_classes_are_drawn_each_with_its_area() -> None:
    figure = roc([Curve("common", X, Y, 0.8, "0.80"), Curve("rare", X, Y, 0.7, "0.70", rare=True)])
    lines = figure.axes[0].get_lines()[1:]
    assert [line.get_label() for line in lines] == ["common, area 0.80", "rare, area 0.70"]
    assert [line.get_color() == RARE for line in lines] == [False, True]
    np.testing.assert_array_equal(lines[0].get_ydata(), Y)


def test_many_classes_are_a_band_with_the_rare_and_the_worst() -> None:
    curves = [Curve(f"c{k}", X, Y, 0.5 + k / 100, f"{k}", rare=k == 20) for k in range(30)]
    axes = roc(curves).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["9 of 10 classes", "median class", "c20, area 20", "c0, area 0", "c1, area 1", "c2, area 2"]


def test_precision_shows_what_guessing_reaches() -> None:
    figure = precision_recall([Curve("rare", X, Y, rare=True, prevalence=0.03)])
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == [0.03, 0.03]


def bins_at(predicted: list[float], upper: list[float], **more: bool) -> Bins:
    said, high = np.array(predicted), np.array(upper)
    return Bins("rare", said, said * 0.8, said * 0.5, high, np.full(len(said), 50), np.repeat(said, 50), **more)


def test_reliability_shows_shares_intervals_and_where_probabilities_lie() -> None:
    curve = bins_at([0.1, 0.9], [0.2, 1.0], rare=True)
    above, below = reliability([curve], unit="patient").axes
    np.testing.assert_allclose(above.get_lines()[1].get_ydata(), [0.08, 0.72])
    (intervals,) = above.collections
    np.testing.assert_allclose([line[:, 1] for line in intervals.get_segments()], [[0.05, 0.2], [0.45, 1.0]])
    (steps,) = below.patches
    assert steps.get_data().values.sum() == 100
    assert below.get_ylabel() == "patients"
    assert len(reliability([curve] * 12).axes[0].get_lines()) == 1 + MOST_CURVES


def test_the_axes_of_a_rare_class_end_where_its_points_do() -> None:
    rare = bins_at([0.001, 0.03], [0.01, 0.08])
    assert reliability_end([rare]) == 0.1
    assert reliability([rare]).axes[0].get_xlim()[1] == pytest.approx(0.102)
    assert reliability_end([rare, bins_at([0.5], [0.7])]) == 0.8
    assert reliability_end([]) == 1.0


def test_a_class_called_by_a_number_is_no_figure() -> None:
    labels = roc([Curve("1", X, Y, 0.95, "0.95"), Curve("2", X, Y, 0.9, "0.90")]).axes[0].get_legend_handles_labels()[1]
    assert labels == ["class “1”, area 0.95", "class “2”, area 0.90"]
