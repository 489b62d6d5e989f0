"""The figures of the decision section."""

from __future__ import annotations

import numpy as np

from imbtk.report.decision_plots import predictive_value_plot, risk_coverage_plot


def test_predictive_values_are_drawn_with_bands_and_marks() -> None:
    x = np.geomspace(0.001, 0.9, 20)
    figure = predictive_value_plot(x, {"right": (x, x / 2, np.minimum(1, 2 * x))}, {"here": 0.5, "there": 0.01})
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert len(axes.collections) == 1
    assert [text.get_text().strip() for text in axes.texts] == ["here", "there"]
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), x)


def test_errors_are_drawn_for_each_side_with_the_place_of_the_rule() -> None:
    figure = risk_coverage_plot({"test": ([0.5, 1.0], [0.0, 0.2]), "validation": ([1.0], [0.1])}, 0.9)
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.get_lines()[:2]] == ["test", "validation"]
    assert list(axes.get_lines()[2].get_xdata()) == [0.9, 0.9]
