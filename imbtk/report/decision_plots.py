"""What a decision means elsewhere: predictive values over the prevalence, and errors over the share decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from imbtk.report.palette import BLUE, FAINT, GREEN, INK, LINE_STYLES, plot_style
from imbtk.wording import per_cent

__all__ = ["predictive_value_plot", "risk_coverage_plot"]


def predictive_value_plot(
    prevalence: np.ndarray,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    marks: Mapping[str, float],
    *,
    title: str = "",
) -> Figure:
    """Return predictive values over the prevalence of the positive class.

    Parameters
    ----------
    prevalence : ndarray of float64, shape (P,)
    curves : mapping of str to (value, low, high)
        Each an ndarray (P,); the band lies between low and high.
    marks : mapping of str to float
        Prevalences to point at: vertical lines with their names.
    title : str
    """
    with plot_style():
        figure = Figure(figsize=(4.7, 3.3))
        axes = figure.add_subplot()
        for (name, (value, low, high)), colour, dashes in zip(curves.items(), (BLUE, GREEN), LINE_STYLES, strict=False):
            axes.fill_between(prevalence, low, high, color=colour, alpha=0.14, linewidth=0)
            axes.plot(prevalence, value, color=colour, linestyle=dashes, label=name)
        for place, (name, share) in enumerate(marks.items()):
            axes.axvline(share, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
            axes.text(
                share, 0.03 + 0.08 * place, f" {name}", color=INK, fontsize=8, ha="right" if share > 0.2 else "left"
            )
        axes.set(xscale="log", ylim=(-0.02, 1.02), xlim=(prevalence[0], prevalence[-1]), title=title)
        axes.set(xlabel="prevalence of the positive class", ylabel="predictive value")
        axes.xaxis.set_major_formatter(lambda share, _: per_cent(share))
        axes.minorticks_off()
        axes.legend(loc="center left")
    return figure


def risk_coverage_plot(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], coverage: float | None, *, title: str = ""
) -> Figure:
    """Return the share of errors among decided rows over the share of rows that is decided.

    Parameters
    ----------
    curves : mapping of str to (coverage, risk)
        By side.
    coverage : float, optional
        Where the rule stands: a vertical line.
    title : str
    """
    with plot_style():
        figure = Figure(figsize=(4.7, 3.3))
        axes = figure.add_subplot()
        for (name, (x, y)), colour, dashes in zip(curves.items(), (BLUE, GREEN), LINE_STYLES, strict=False):
            axes.plot(x, y, color=colour, linestyle=dashes, label=name, drawstyle="steps-post")
        if coverage is not None:
            axes.axvline(coverage, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
        axes.set(xlim=(-0.02, 1.02), xlabel="share of rows decided", ylabel="share of these that is wrong", title=title)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left")
    return figure
