"""ROC, precision-recall and reliability curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from imbtk.report.palette import BLUE, CLASS_COLOURS, FAINT, INK, LINE_STYLES, MUTED, RARE, plot_style
from imbtk.wording import several, shorten

__all__ = ["MOST_CURVES", "Bins", "Curve", "precision_recall", "reliability", "reliability_end", "roc"]

MOST_CURVES = 6
"""More classes than this are drawn as a band, with the rare class and the worst ones on it."""

_ENDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
_HISTOGRAM = 30


@dataclass(frozen=True)
class Curve:
    """A curve of one class against the rest.

    Attributes
    ----------
    name : str
    x, y : ndarray of float64, shape (m,)
        False positive rate and sensitivity, or sensitivity and precision.
    area : float, optional
        AUROC or AUPRC, for the legend and for choosing the worst classes.
    area_text : str
        The area as it shall be written.
    rare : bool
    prevalence : float, optional
        Share of the class: what precision is worth by guessing.
    point : tuple of float, optional
        Where the decision stands.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    area: float | None = None
    area_text: str = ""
    rare: bool = False
    prevalence: float | None = None
    point: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bins:
    """A reliability curve.

    Attributes
    ----------
    name : str
    predicted, observed, lower, upper : ndarray of float64, shape (b,)
        Mean predicted probability of each bin, the share that came true, and the ends of its interval.
    counts : ndarray of int64, shape (b,)
        Units of each bin.
    scores : ndarray of float64, shape (N,)
        The predicted probability of every unit.
    rare : bool
    """

    name: str
    predicted: np.ndarray
    observed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    counts: np.ndarray
    scores: np.ndarray
    rare: bool = False


def roc(curves: Sequence[Curve], *, title: str = "ROC") -> Figure:
    """Return ROC curves: sensitivity over the false positive rate, one class against the rest.

    Parameters
    ----------
    curves : sequence of Curve
        Both coordinates increase.
    title : str
    """
    with plot_style():
        figure, axes = _square(title, "false positive rate (1 - specificity)", "sensitivity")
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
        _draw(axes, curves, steps=None)
        _legend(figure, axes, "lower right")
    return figure


def precision_recall(curves: Sequence[Curve], *, title: str = "Precision-recall") -> Figure:
    """Return precision-recall curves: precision over sensitivity, one class against the rest.

    Parameters
    ----------
    curves : sequence of Curve
        `x` is sensitivity, `y` precision.
    title : str
    """
    with plot_style():
        figure, axes = _square(title, "sensitivity (recall)", "precision")
        if len(curves) <= MOST_CURVES:
            for curve in curves:
                if curve.prevalence is not None:
                    axes.axhline(curve.prevalence, color=RARE if curve.rare else FAINT, linewidth=0.9, ls=(0, (1, 2)))
        _draw(axes, curves, steps="pre")
        _legend(figure, axes, "lower left")
    return figure


def reliability_end(bins: Sequence[Bins]) -> float:
    """Return where the axes of a reliability plot end: where its points and their intervals do, at 1 at the latest."""
    ends = [float(np.max(part, initial=0.0)) for b in bins for part in (b.predicted, b.observed, b.upper)]
    return next(end for end in _ENDS if end >= min(1.0, max(ends, default=1.0)))


def reliability(bins: Sequence[Bins], *, unit: str = "image", title: str = "Reliability") -> Figure:
    """Return the share that was observed over the probability that was predicted, and where probabilities lie.

    The axes end where the points do: a rare class lives below 0.1.

    Parameters
    ----------
    bins : sequence of Bins
        At most six are drawn, each point with its interval.
    unit : str
        What is counted, in the singular.
    title : str
    """
    shown = bins[:MOST_CURVES]
    end = reliability_end(shown)
    with plot_style():
        figure = Figure(figsize=(3.65, 3.55))
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
        colours = iter(CLASS_COLOURS)
        for place, curve in enumerate(shown):
            colour = RARE if curve.rare else next(colours, MUTED)
            dashes = LINE_STYLES[place % len(LINE_STYLES)]
            axes.vlines(curve.predicted, curve.lower, curve.upper, color=colour, linewidth=1.2, alpha=0.45)
            axes.plot(
                curve.predicted, curve.observed, color=colour, ls=dashes, marker="o", markersize=4,
                label=_quoted(curve.name),
            )  # fmt: skip
            counts, edges = np.histogram(curve.scores, bins=_HISTOGRAM, range=(0, end))
            below.stairs(counts, edges, color=colour, linewidth=1.2, fill=len(shown) == 1, alpha=0.8)
        margin = 0.02 * end
        axes.set(xlim=(-margin, end + margin), ylim=(-margin, end + margin), ylabel="observed share", title=title)
        below.set(xlabel="predicted probability", ylabel=several(unit), yscale="symlog")
        below.set_ylim(bottom=0)
        below.yaxis.set_major_locator(_decades(max((len(b.scores) for b in shown), default=1)))
        below.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        below.minorticks_off()
        if len(bins) > 1:
            _legend(figure, axes, "upper left")
    return figure


def _legend(figure: Figure, axes: Axes, place: Any) -> None:
    """Put the legend into a free corner, or below the axes where it would hide curves."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) == 1:
        axes.legend(loc=place)
    elif labels:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + 0.19 * ((len(labels) + 1) // 2))
        figure.legend(handles, labels, loc="outside lower left", ncols=2, fontsize=8, columnspacing=1.0)


def _decades(most: int) -> object:
    from matplotlib.ticker import FixedLocator

    return FixedLocator([0, *(10**power for power in range(len(str(most)) + 1))][:: 1 if most < 1000 else 2])


def _square(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.65, 3.55))
    axes = figure.add_subplot()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=xlabel, ylabel=ylabel, title=title)
    return figure, axes


def _quoted(name: str) -> str:
    """Return a class as a legend has it: in quotes where it could be taken for a figure."""
    shown = shorten(name, 18)
    return shown if any(c.isalpha() for c in shown) else f"class “{shown}”"


def _label(curve: Curve) -> str:
    return _quoted(curve.name) + (f", area {curve.area_text}" if curve.area_text else "")


def _draw(axes: Axes, curves: Sequence[Curve], steps: str | None) -> None:
    if len(curves) <= MOST_CURVES:
        chosen = list(curves)
    else:
        _band(axes, curves)
        chosen = _worst(curves)
    colours = iter(CLASS_COLOURS)
    for place, curve in enumerate(chosen):
        colour = RARE if curve.rare else next(colours, MUTED)
        how: dict[str, Any] = {"drawstyle": f"steps-{steps}"} if steps else {}
        axes.plot(
            curve.x, curve.y, color=colour, linestyle=LINE_STYLES[place % len(LINE_STYLES)], label=_label(curve), **how
        )
        if curve.point is not None:
            axes.plot(*curve.point, "o", color=colour, markersize=6.5, zorder=5)


def _worst(curves: Sequence[Curve]) -> list[Curve]:
    """Return the rare class and the three others with the smallest area."""
    others = sorted((c for c in curves if not c.rare and c.area is not None), key=lambda c: c.area or 0.0)
    return [c for c in curves if c.rare] + others[:3]


def _band(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw the middle nine tenths of all classes' curves, and their median."""
    grid = np.linspace(0, 1, 101)
    lines = np.stack([_resampled(curve, grid) for curve in curves])
    low, middle, high = np.quantile(lines, [0.05, 0.5, 0.95], axis=0)
    axes.fill_between(grid, low, high, color=BLUE, alpha=0.14, linewidth=0, label="9 of 10 classes")
    axes.plot(grid, middle, color=INK, linewidth=1.3, label="median class")


def _resampled(curve: Curve, grid: np.ndarray) -> np.ndarray:
    order = np.argsort(curve.x, kind="stable")
    sampled: np.ndarray = np.interp(grid, curve.x[order], curve.y[order])
    return sampled
