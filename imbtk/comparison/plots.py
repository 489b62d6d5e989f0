"""The figures of a comparison, each a matplotlib Figure in the house style, made from ``comparison.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from imbtk.comparison.config import metric_in, metric_of
from imbtk.report.figures import Figures
from imbtk.report.palette import (
    BLUE,
    CLASS_COLOURS,
    FAINT,
    GREEN,
    INK,
    LINE_STYLES,
    MAX_NAMED,
    MUTED,
    RARE,
    class_colours,
    plot_style,
)
from imbtk.wording import per_cent, shorten

__all__ = [
    "all_figures",
    "confusions",
    "cost",
    "forest",
    "judged_rows",
    "operating_point",
    "plan_colours",
    "precision_recall_curves",
    "reliability_curves",
    "roc_curves",
    "sensitivities",
]

MOST_PLANS = 6
"""More plans than this are not drawn side by side: only the baseline, the decision-only row and the best others."""

_NAME = 40


def judged_rows(document: Mapping[str, Any], most: int | None = None) -> list[Mapping[str, Any]]:
    """Return the rows that have figures, best first; with `most` the baseline, the decision-only row and the best."""
    rows = [row for row in document["rows"] if row["complete"]]
    if most is None or len(rows) <= most:
        return rows
    plans = [row["name"] for row in rows if row["kind"] == "plan"][: most - 2]
    return [row for row in rows if row["kind"] != "plan" or row["name"] in plans]


def plan_colours(document: Mapping[str, Any]) -> dict[str, str]:
    """Return a colour for each row: grey for the baseline, ink for its other decision, then the palette."""
    colours, free = {}, iter(CLASS_COLOURS)
    for row in judged_rows(document):
        if row["kind"] == "plan":
            colours[row["name"]] = next(free, FAINT)
        else:
            colours[row["name"]] = MUTED if row["kind"] == "baseline" else INK
    return colours


def _in_points(document: Mapping[str, Any]) -> bool:
    return metric_in(document, document["primary"]).share


def forest(document: Mapping[str, Any]) -> Figure:
    """Return each plan's difference to the baseline with its 95 % interval; shaded: the margin, where there is one."""
    rows = [row for row in judged_rows(document) if row.get("difference") and row["difference"]["value"] is not None]
    scale = 100 if _in_points(document) else 1
    with plot_style():
        figure = Figure(figsize=(9.4, 1.15 + 0.42 * max(len(rows), 1)))
        axes = figure.add_subplot()
        axes.axvline(0, color=MUTED, linewidth=1)
        if document["margin"] is not None:
            margin = scale * document["margin"]
            axes.axvspan(-margin, margin, color=BLUE, alpha=0.12, linewidth=0)
        for place, row in enumerate(rows):
            difference = row["difference"]
            colour = {"better": GREEN, "worse": RARE}.get(row["verdict"], MUTED)
            value = scale * difference["value"]
            if difference["interval"]:
                low, high = (scale * end for end in difference["interval"])
                axes.plot([low, high], [place, place], color=colour, linewidth=3.2, alpha=0.45, solid_capstyle="round")
            axes.plot([value], [place], "o", color=colour, markersize=6.5)
            axes.annotate(
                row["verdict"],
                (1.01, place),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
                color=colour,
            )
        axes.set_yticks(range(len(rows)), [shorten(row["name"], _NAME) for row in rows])
        axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        unit = "percentage points" if scale == 100 else "its own unit"
        better = "right" if document["higher_is_better"] else "left"
        axes.set_xlabel(
            f"difference to the baseline in {document['primary_name']}, {unit}, 95 % interval; better is to the "
            f"{better}"
        )
    return figure


def sensitivities(document: Mapping[str, Any]) -> Figure:
    """Return the sensitivity of each class with its 95 % interval, plan beside plan."""
    rows = judged_rows(document, MOST_PLANS)
    names, counts = document["data"]["class_names"], document["data"]["train_counts"]
    shown = sorted(range(len(names)), key=lambda k: -counts[k])
    shown = shown if len(shown) <= MAX_NAMED else shown[: MAX_NAMED // 2] + shown[-MAX_NAMED // 2 :]
    colours = plan_colours(document)
    _, rare = class_colours(counts, len(names))
    with plot_style():
        figure = Figure(figsize=(9.4, 0.9 + len(shown) * (0.19 + 0.15 * len(rows)) + 0.2 * ((len(rows) + 1) // 2)))
        axes = figure.add_subplot()
        step = 0.74 / max(len(rows), 1)
        for i, row in enumerate(rows):
            offsets = [place - 0.37 + step * (i + 0.5) for place in range(len(shown))]
            _class_marks(axes, row, shown, offsets, colours[row["name"]])
        axes.set_yticks(range(len(shown)), [shorten(names[k], 18) for k in shown])
        if rare in shown:
            axes.get_yticklabels()[shown.index(rare)].set(color=RARE, fontweight="bold")
        axes.set(xlim=(-0.02, 1.02), ylim=(len(shown) - 0.5, -0.5), xlabel="sensitivity, with 95 % interval")
        axes.grid(axis="y", visible=False)
        figure.legend(loc="outside upper left", ncols=2, fontsize=8.5, columnspacing=1.5)
    return figure


def _class_marks(
    axes: Axes, row: Mapping[str, Any], shown: Sequence[int], offsets: Sequence[float], colour: str
) -> None:
    label: str | None = shorten(row["name"], _NAME)
    for k, y in zip(shown, offsets, strict=True):
        found = row["per_class"][k]["sensitivity"]
        if found["value"] is None:
            continue
        low, high = found["interval"]
        axes.plot([low, high], [y, y], color=colour, linewidth=2.4, alpha=0.4, solid_capstyle="round")
        axes.plot([found["value"]], [y], "o", color=colour, markersize=4.5, label=label)
        label = None


def confusions(document: Mapping[str, Any]) -> Figure:
    """Return the confusion matrices side by side, each row of a matrix in shares, counts averaged over repeats."""
    rows = judged_rows(document, MOST_PLANS)
    names = [shorten(name, 12) for name in document["data"]["class_names"]]
    size = len(names)
    across = min(len(rows), 4) if size <= 3 else 2 if len(rows) in (2, 4) else 3
    down = -(-len(rows) // across)
    side = 2.35 if size <= 3 else 3.15
    with plot_style():
        figure = Figure(
            figsize=(max(9.4, side * across) if size > 3 else side * max(across, 3), (side + 0.15) * down + 0.2)
        )
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for axes, row in zip(grid, rows, strict=False):
            _confusion_cells(axes, np.asarray(row["confusion"]), names)
            axes.set_title(shorten(row["name"], 26), fontsize=8.8)
        for axes in grid[len(rows) :]:
            axes.set_visible(False)
        figure.supxlabel("decided", fontsize=9, color=MUTED)
        figure.supylabel("truth", fontsize=9, color=MUTED)
    return figure


def _confusion_cells(axes: Axes, counts: np.ndarray, names: Sequence[str]) -> None:
    size = len(names)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    for i, j in np.ndindex(size, size):
        alpha = 0.62 * float(np.sqrt(shares[i, j]) if size > 3 else shares[i, j])
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=BLUE, alpha=alpha, edgecolor="none"))
        if size <= 3:
            axes.text(j, i, per_cent(float(shares[i, j])), ha="center", va="center", fontsize=10, color=INK)
        elif size <= 12 and shares[i, j] >= 0.005:
            axes.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=6.5, color=INK)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal")
    axes.grid(False)
    axes.tick_params(length=0)
    if size > MAX_NAMED:
        axes.set(xticks=[], yticks=[])
        return
    axes.set_xticks(range(size), names, rotation=0 if size <= 3 or max(map(len, names)) < 3 else 60, fontsize=8)
    axes.set_yticks(range(size), names, fontsize=8, rotation=90 if size <= 3 else 0, va="center")


def roc_curves(document: Mapping[str, Any]) -> Figure:
    """Return the ROC curves, averaged over folds and repeats at equal false positive rates."""
    with plot_style():
        figure, axes = _square(document, "false positive rate (1 - specificity)", "sensitivity", "ROC")
        for row, colour, dashes in _drawn(document):
            curve = document["curves"][row["name"]]["roc"]
            if curve["y"] is not None and row["kind"] != "decision":
                area = row["figures"][metric_of("auroc", len(row["per_class"]))]["value"]
                label = shorten(row["name"], 24) + ("" if area is None else f"  {area:.3f}")
                axes.plot([0, *curve["x"]], [0, *curve["y"]], color=colour, linestyle=dashes, label=label)
            if (point := operating_point(document, row)) is not None:
                axes.plot(1 - point[1], point[0], **_mark(row, colour))
        _legend(figure, axes)
    return figure


def precision_recall_curves(document: Mapping[str, Any]) -> Figure:
    """Return precision over sensitivity of the positive class, averaged over folds and repeats, with the decisions."""
    data = document["data"]
    k = data["class_names"].index(data["positive_class"])
    with plot_style():
        figure, axes = _square(document, "sensitivity (recall)", "precision", "Precision-recall")
        axes.lines[0].remove()
        floor = data["class_counts"][k] / sum(data["class_counts"])
        axes.axhline(floor, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
        for row, colour, dashes in _drawn(document):
            curve = document["curves"][row["name"]]["precision_recall"]
            if curve["y"] is not None and row["kind"] != "decision":
                area = row["figures"]["auprc"]["value"]
                label = shorten(row["name"], 24) + ("" if area is None else f"  {area:.3f}")
                axes.plot(curve["x"], curve["y"], color=colour, linestyle=dashes, label=label, drawstyle="steps-pre")
            point = operating_point(document, row)
            if point is not None and point[2] is not None:
                axes.plot(point[0], point[2], **_mark(row, colour))
        _legend(figure, axes)
    return figure


def operating_point(document: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[float, float, float | None] | None:
    """Return sensitivity, specificity and precision (None where nothing was called so) of what a row decides.

    None where no class is the positive one. They are of the mean confusion matrix over repeats.
    """
    data = document["data"]
    if data["positive_class"] is None:
        return None
    k = data["class_names"].index(data["positive_class"])
    counts = np.asarray(row["confusion"])
    hit, called, truth, total = counts[k, k], counts[:, k].sum(), counts[k].sum(), counts.sum()
    if truth == 0 or truth == total:
        return None
    specificity = 1 - (called - hit) / (total - truth)
    return float(hit / truth), float(specificity), float(hit / called) if called else None


def _mark(row: Mapping[str, Any], colour: str) -> dict[str, Any]:
    hollow = row["kind"] == "decision"
    return {
        "marker": "o", "linestyle": "none", "color": colour, "markersize": 7, "zorder": 5,
        "mfc": "none" if hollow else colour, "label": shorten(row["name"], 24) if hollow else None,
    }  # fmt: skip


def reliability_curves(document: Mapping[str, Any]) -> Figure:
    """Return the share that was observed over the probability that was predicted; bins with at least 10 rows."""
    with plot_style():
        figure, axes = _square(document, "predicted probability", "observed share", "Reliability")
        for row, colour, dashes in _drawn(document):
            bins = [b for b in document["curves"][row["name"]]["reliability"] if b["n"] >= 10]
            if row["kind"] != "decision":
                points = [b["confidence"] for b in bins], [b["frequency"] for b in bins]
                axes.plot(*points, color=colour, linestyle=dashes, marker="o", label=shorten(row["name"], 24))
        ends = [max(b["confidence"], b["frequency"]) for c in document["curves"].values() for b in c["reliability"]]
        # A rare class lives in a corner: the axes end where the points do.
        end = min(1.0, 1.1 * max(ends, default=1.0))
        axes.set(xlim=(-0.02 * end, 1.02 * end), ylim=(-0.02 * end, 1.02 * end))
        _legend(figure, axes)
    return figure


def _drawn(document: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str, Any]]:
    colours = plan_colours(document)
    rows = judged_rows(document, MOST_PLANS)
    return [(row, colours[row["name"]], LINE_STYLES[i % len(LINE_STYLES)]) for i, row in enumerate(rows)]


def _square(document: Mapping[str, Any], xlabel: str, ylabel: str, title: str) -> tuple[Figure, Axes]:
    positive = document["data"]["positive_class"]
    of = (
        f", {shorten(positive, 18)}" if positive else ", mean of classes" if title == "ROC" else ", most probable class"
    )
    figure = Figure(figsize=(4.5, 4.2))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=xlabel, ylabel=ylabel, title=title + of)
    return figure, axes


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + 0.19 * len(labels))
        figure.legend(handles, labels, loc="outside lower left", fontsize=8.5)


def cost(document: Mapping[str, Any]) -> Figure:
    """Return the primary figure with its interval against the seconds that one training takes."""
    rows, colours = judged_rows(document), plan_colours(document)
    with plot_style():
        figure = Figure(figsize=(9.4, 3.1))
        axes = figure.add_subplot()
        for row in rows:
            found = row["figures"][document["primary"]]
            if found["value"] is None:
                continue
            x, colour = row["cost"]["seconds"], colours[row["name"]]
            if found.get("interval"):
                axes.plot([x, x], found["interval"], color=colour, linewidth=2.4, alpha=0.4, solid_capstyle="round")
            hollow = row["kind"] == "decision"
            axes.plot([x], [found["value"]], "o", color=colour, markersize=7, mfc="none" if hollow else colour)
            axes.plot([], [], "o", color=colour, mfc="none" if hollow else colour, label=shorten(row["name"], 44))
        most = max((row["cost"]["seconds"] for row in rows), default=1.0)
        axes.set(xlim=(0, 1.08 * most), xlabel="seconds of one training", ylabel=document["primary_name"])
        figure.legend(loc="outside right upper", fontsize=8.5)
    return figure


def all_figures(document: Mapping[str, Any]) -> Figures:
    """Return all figures by the names that their files have under ``plots/``."""
    drawn = Figures(
        forest=forest(document),
        sensitivities=sensitivities(document),
        confusions=confusions(document),
        roc=roc_curves(document),
        reliability=reliability_curves(document),
        cost=cost(document),
    )
    if document["data"]["positive_class"] is not None:
        drawn["precision_recall"] = precision_recall_curves(document)
    return drawn
