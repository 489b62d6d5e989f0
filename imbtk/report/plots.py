"""The figures of a run, each a matplotlib Figure in the house style.

Nothing here touches pyplot or global settings: a figure is made, returned, and belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from imbtk.report.palette import (
    BLUE,
    GREEN,
    INK,
    LINE_STYLES,
    MAX_NAMED,
    MUTED,
    ORANGE,
    PURPLE,
    RARE,
    class_colours,
    plot_style,
)
from imbtk.wording import per_cent, shorten

__all__ = ["LEARNING_PANELS", "SensitivityRow", "class_distribution", "learning_curves", "per_class"]


def class_distribution(
    stages: Mapping[str, Sequence[float]],
    class_names: Sequence[str],
    *,
    train_counts: Sequence[int] | None = None,
) -> Figure:
    """Return the share of each class as each stage leaves it.

    Parameters
    ----------
    stages : mapping of str to sequence of float, length K
        Stage -> class masses; each is brought to sum one.
    class_names : sequence of str, length K
    train_counts : sequence of int, length K, optional
        Tells the rare class.
    """
    shares = {name: np.asarray(mass, dtype=np.float64) / np.sum(mass) for name, mass in stages.items()}
    colours, rare = class_colours(train_counts, len(class_names))
    with plot_style():
        if len(class_names) > MAX_NAMED:
            return _distribution_lines(shares)
        height = max(1.6, 0.75 + 0.27 * len(class_names))
        figure = Figure(figsize=(9.4, height))
        row = figure.subplots(1, max(len(shares), 3), sharey=True, squeeze=False)[0]
        places = np.arange(len(class_names))
        top = max(share.max() for share in shares.values())
        for axes, (stage, share) in zip(row, shares.items(), strict=False):
            plain = [BLUE if k != rare else RARE for k in places] if len(class_names) > 6 else colours
            axes.barh(places, share, color=plain, height=0.72)
            for k in places:
                axes.text(share[k] + 0.02 * top, k, per_cent(float(share[k])), va="center", fontsize=8.5, color=INK)
            axes.set(title=stage, xlim=(0, 1.32 * top), ylim=(len(places) - 0.4, -0.6), xticks=[])
            axes.grid(False)
            axes.spines[["bottom", "left"]].set_visible(False)
            axes.tick_params(length=0)
        row[0].set_yticks(places, [shorten(name, 16) for name in class_names])
        if rare is not None:
            row[0].get_yticklabels()[rare].set(color=RARE, fontweight="bold")
        for axes in row[len(shares) :]:
            axes.set_visible(False)
    return figure


def _distribution_lines(shares: Mapping[str, np.ndarray]) -> Figure:
    """Return shares over the classes' rank by frequency: for more classes than bars can show."""
    figure = Figure(figsize=(9.4, 3.2))
    axes = figure.add_subplot()
    order = np.argsort(-next(iter(shares.values())), kind="stable")
    colours = (INK, BLUE, GREEN, PURPLE, RARE)
    for place, (stage, share) in enumerate(shares.items()):
        ranks = np.arange(1, len(order) + 1)
        last = place == len(shares) - 1 and place > 0
        colour = ORANGE if last else colours[min(place, len(colours) - 2)]
        axes.plot(ranks, 100 * share[order], label=stage, color=colour, ls=LINE_STYLES[place % len(LINE_STYLES)])
    axes.set(yscale="log", xlabel="classes, from the most to the least frequent", ylabel="share of the class (%)")
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.legend(ncols=min(len(shares), 5), loc="lower left")
    return figure


LEARNING_PANELS: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "loss": (
        "Loss",
        {
            "training": "train_loss",
            "validation": "validation_log_loss",
            "validation, mean of classes": "validation_balanced_log_loss",
        },
        (BLUE, ORANGE, PURPLE),
    ),
    "scores": (
        "On validation rows",
        {
            "balanced accuracy": "validation_balanced_accuracy",
            "worst class's sensitivity": "validation_worst_sensitivity",
        },
        (BLUE, GREEN),
    ),
}
"""Panels of the learning curves: title, line -> column of the history, colours."""


def learning_curves(
    history: Mapping[str, np.ndarray],
    phase_starts: Sequence[int] = (),
    *,
    panels: Sequence[str] = ("loss", "scores"),
) -> Figure:
    """Return the loss, and what validation rows said, over the epochs.

    Parameters
    ----------
    history : mapping of str to ndarray
        Columns of ``history.csv``; ``epoch`` counts from 0.
    phase_starts : sequence of int
        Epochs, from 0, at which the set of strategies changes: thin vertical lines.
    panels : sequence of "loss" and "scores"
    """
    with plot_style():
        figure = Figure(figsize=(4.7 * len(panels), 2.9))
        row = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(row, panels, strict=True):
            title, columns, colours = LEARNING_PANELS[panel]
            _epoch_lines(axes, history, columns, colours)
            axes.set(title=title, xlabel="epoch")
            if panel == "scores":
                axes.set_ylim(-0.02, 1.02)
            for start in phase_starts:
                axes.axvline(start + 0.5, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
    return figure


def _epoch_lines(
    axes: Axes, history: Mapping[str, np.ndarray], columns: Mapping[str, str], colours: Sequence[str]
) -> None:
    epochs = np.asarray(history.get("epoch", ()), dtype=np.float64) + 1
    member = np.asarray(history.get("member", np.ones(len(epochs))))
    for (label, column), colour, dashes in zip(columns.items(), colours, LINE_STYLES, strict=False):
        values = history.get(column)
        if values is None or not np.isfinite(values).any():
            continue
        for number in np.unique(member):
            own = member == number
            marker, named = "o" if own.sum() < 12 else "", label if number == member[0] else None
            axes.plot(epochs[own], values[own], color=colour, linestyle=dashes, marker=marker, label=named)
    if axes.get_lines():
        axes.legend(loc="best")
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, nbins=8))
    if len(np.unique(epochs)) == 1:
        axes.set_xlim(0.5, 1.5)


@dataclass(frozen=True)
class SensitivityRow:
    """A class in the figure of sensitivities: its value and interval, None where there is none."""

    name: str
    value: float | None
    interval: tuple[float, float] | None
    support: int


def per_class(
    rows: Sequence[SensitivityRow], *, train_counts: Sequence[int] | None = None, unit: str = "image"
) -> Figure:
    """Return the sensitivity of each class with its 95 % interval.

    Parameters
    ----------
    rows : sequence of SensitivityRow, length K
    train_counts : sequence of int, length K, optional
        Tells the rare class; beyond 20 classes also the order.
    unit : str
        What `support` counts, in the singular.
    """
    named = len(rows) <= MAX_NAMED
    order = range(len(rows)) if named or train_counts is None else np.argsort(-np.asarray(train_counts), kind="stable")
    _, rare = class_colours(train_counts, len(rows))
    with plot_style():
        figure = Figure(figsize=(4.7, max(1.5, 0.8 + 0.3 * len(rows))) if named else (9.4, 3.2))
        axes = figure.add_subplot()
        for place, k in enumerate(order):
            _sensitivity_mark(axes, place, rows[k], RARE if k == rare else BLUE, named)
        if named:
            axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5), xlabel="sensitivity, with 95 % interval")
            axes.set_yticks(range(len(rows)), [f"{shorten(row.name, 16)} (n = {row.support})" for row in rows])
            axes.grid(axis="y", visible=False)
            if rare is not None:
                axes.get_yticklabels()[rare].set(color=RARE, fontweight="bold")
        else:
            axes.set(ylim=(-0.02, 1.02), ylabel="sensitivity, with 95 % interval")
            axes.set(xlabel="classes, from the most to the least frequent in training", xlim=(-1, len(rows)))
            axes.set_xticks([])
        axes.set_title(f"Sensitivity per {unit}")
    return figure


def _sensitivity_mark(axes: Axes, place: int, row: SensitivityRow, colour: str, horizontal: bool) -> None:
    if row.value is None:
        return
    low, high = row.interval or (row.value, row.value)
    if horizontal:
        axes.plot([low, high], [place, place], color=colour, linewidth=3.2, alpha=0.45, solid_capstyle="round")
        axes.plot([row.value], [place], "o", color=colour, markersize=6)
    else:
        rare = colour == RARE
        axes.plot([place, place], [low, high], color=colour, linewidth=2, alpha=0.8 if rare else 0.35)
        axes.plot([place], [row.value], "o", color=colour, markersize=5.5 if rare else 3.2)
