"""Figures: what they show is what was given."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from imbtk.report import plots
from imbtk.report.palette import BLUE, RARE, render


def texts(figure: Figure) -> list[str]:
    return [item.get_text() for item in figure.findobj(mpl.text.Text)]


def test_distribution_shows_each_stage_with_its_shares() -> None:
    figure = plots.class_distribution({"as they are": [90, 10], "weighted": [1, 1]}, ["a", "b"], train_counts=[90, 10])
    assert {"as they are", "weighted", "90 %", "10 %", "50 %"} <= set(texts(figure))
    bars = figure.axes[0].patches
    assert [mpl.colors.to_hex(bar.get_facecolor()) for bar in bars] == [BLUE, RARE]
    assert [bar.get_width() for bar in bars] == pytest.approx([0.9, 0.1])


def test_distribution_of_many_classes_has_lines_not_names() -> None:
    figure = plots.class_distribution({"s": range(1, 61), "t": [1] * 60}, [f"name {k}" for k in range(60)])
    assert not any("name" in text for text in texts(figure))
    assert len(figure.axes[0].get_lines()) == 2
    assert np.all(np.diff(figure.axes[0].get_lines()[0].get_ydata()) <= 0)


def test_learning_curves_begin_at_epoch_one_and_mark_phases() -> None:
    history = {"epoch": np.arange(5.0), "train_loss": np.linspace(1, 0, 5), "validation_accuracy": np.full(5, 0.5)}
    figure = plots.learning_curves(history, [3])
    loss, scores = figure.axes
    assert loss.get_lines()[0].get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert list(loss.get_lines()[-1].get_xdata()) == [3.5, 3.5]
    assert len(scores.get_lines()) == 1  # the phase's mark alone


@pytest.mark.parametrize("epochs", [0, 1])
def test_learning_curves_of_hardly_any_epoch(epochs: int) -> None:
    figure = plots.learning_curves({"epoch": np.arange(epochs), "train_loss": np.full(epochs, np.nan)})
    assert render(figure, "x")[0]


def test_sensitivities_with_their_intervals() -> None:
    rows = [
        plots.SensitivityRow("frequent", 0.9, (0.8, 0.95), 100),
        plots.SensitivityRow("rare", 0.5, (0.2, 0.8), 4),
        plots.SensitivityRow("absent", None, None, 0),
    ]
    figure = plots.per_class(rows, train_counts=[90, 5, 7], unit="patient")
    axes = figure.axes[0]
    assert "rare (n = 4)" in texts(figure)
    assert [list(line.get_xdata()) for line in axes.get_lines()] == [[0.8, 0.95], [0.9], [0.2, 0.8], [0.5]]
    assert [line.get_color() for line in axes.get_lines()] == [BLUE, BLUE, RARE, RARE]


def test_sensitivities_of_many_classes_are_ordered_by_frequency() -> None:
    rows = [plots.SensitivityRow(str(k), k / 50, None, 1) for k in range(50)]
    axes = plots.per_class(rows, train_counts=range(50)).axes[0]
    values = [line.get_ydata()[0] for line in axes.get_lines()[1::2]]
    assert values == sorted(values, reverse=True)
