"""The figures that are fields of cells or pixels: confusion matrices and sheets of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from imbtk.report.palette import BLUE, FAINT, INK, MAX_NAMED, MUTED, RARE, class_colours, plot_style
from imbtk.wording import per_cent, shorten

__all__ = ["confusion", "gallery"]

# The deepest shade of a cell leaves enough contrast for ink on it, on a light and on a dark page.
_DEEPEST = 0.62
_MOST_CLASSES = 10
_CELL = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
"""Corners of a cell around its middle, x before y."""


def confusion(
    counts: Sequence[Sequence[int]] | np.ndarray,
    class_names: Sequence[str],
    *,
    train_counts: Sequence[int] | None = None,
    title: str = "",
) -> Figure:
    """Return a confusion matrix: cells shaded by their share of the row, with the count and the share.

    Parameters
    ----------
    counts : array of int, shape (K, K)
        ``counts[truth][predicted]``.
    class_names : sequence of str, length K
    train_counts : sequence of int, length K, optional
        Tells the rare class, whose name is vermillion.
    title : str
    """
    matrix = np.asarray(counts, dtype=np.float64)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    size = len(class_names)
    side = 4.0 if size <= 3 else min(2.4 + 0.62 * size, 9.4) if size <= MAX_NAMED else 5.6
    with plot_style():
        figure = Figure(figsize=(max(side, 4.4), side * 0.92))
        axes = figure.add_subplot()
        axes.grid(False)
        if size <= MAX_NAMED:
            _annotated_cells(axes, matrix, shares)
        else:
            shade = np.zeros((size, size, 4))
            shade[...] = to_rgba(BLUE)
            # Off the diagonal shares are small: the root lets them be seen.
            shade[..., 3] = np.sqrt(shares)
            axes.imshow(shade, interpolation="none", aspect="equal", extent=(-0.5, size - 0.5, size - 0.5, -0.5))
        _confusion_axes(axes, class_names, train_counts)
        if title:
            axes.set_title(title)
    return figure


def _annotated_cells(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    size = len(matrix)
    font = 11.0 if size <= 3 else 9.0 if size <= 6 else 7.5
    # Cells lie inside the axes: measuring a hundred of them for the layout would only cost time.
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": font, "in_layout": False}
    # One artist for all that have a shade: a hundred would each be measured and prepared three times.
    shaded = np.argwhere(matrix > 0)
    shades = [to_rgba(BLUE, _DEEPEST * shares[i, j]) for i, j in shaded]
    axes.add_collection(PolyCollection(shaded[:, None, ::-1] + _CELL, facecolors=shades, edgecolors="none"))
    for i, j in np.ndindex(size, size):
        if matrix[i, j] > 0:
            text = f"{matrix[i, j]:.0f}\n{per_cent(float(shares[i, j]))}" if size <= 12 else f"{matrix[i, j]:.0f}"
            axes.text(j, i, text, color=INK, linespacing=1.35, **style)
        elif size <= 12:
            axes.text(j, i, "0", color=MUTED, **style)
    edges = np.arange(size + 1) - 0.5
    axes.hlines(edges, -0.5, size - 0.5, color=FAINT, linewidth=0.5)
    axes.vlines(edges, -0.5, size - 0.5, color=FAINT, linewidth=0.5)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))


def _confusion_axes(axes: Axes, class_names: Sequence[str], train_counts: Sequence[int] | None) -> None:
    size = len(class_names)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted class", ylabel="true class")
    if size > MAX_NAMED:
        axes.set(xlabel="predicted class, by number", ylabel="true class, by number")
        axes.spines[:].set_visible(True)
        return
    width = 14 if size <= 3 else 11
    shown = [shorten(name, width) for name in class_names]
    upright = size <= 3 or max(map(len, shown)) <= 3
    axes.set_xticks(range(size), shown, rotation=0 if upright else 40, ha="center" if upright else "right")
    axes.set_yticks(range(size), shown)
    if not upright:
        for label in axes.get_xticklabels():
            label.set_rotation_mode("anchor")
    _, rare = class_colours(train_counts, size)
    if rare is not None:
        for label in (axes.get_xticklabels()[rare], axes.get_yticklabels()[rare]):
            label.set(color=RARE, fontweight="bold")


def gallery(originals: np.ndarray, augmented: np.ndarray | None, class_names: Sequence[str]) -> Figure:
    """Return a sheet of training images, one row per class: as they are, and as the strategies change them.

    Parameters
    ----------
    originals, augmented : ndarray of uint8, shape (K, m, H, W, C)
    class_names : sequence of str, length K
    """
    classes = min(len(class_names), _MOST_CLASSES)
    sheets = [originals] if augmented is None else [originals, augmented]
    each, height, width = originals.shape[1:4]
    with plot_style():
        figure = Figure(figsize=(9.4, min(1.2 + 8.0 * classes * height / (width * each * len(sheets)), 14)))
        row = figure.subplots(1, len(sheets), squeeze=False)[0]
        for axes, sheet, title in zip(row, sheets, ("original", "augmented"), strict=False):
            axes.imshow(_mosaic(sheet[:classes]), interpolation="nearest")
            axes.set(title=title, xticks=[], yticks=[])
            axes.grid(False)
            axes.spines[:].set_visible(False)
        middle = (np.arange(classes) + 0.5) * (height + _gap(height)) - 0.5
        row[0].set_yticks(middle, [shorten(name, 14) for name in class_names[:classes]])
        row[0].tick_params(length=0)
    return figure


def _gap(height: int) -> int:
    return max(1, height // 16)


def _mosaic(images: np.ndarray) -> np.ndarray:
    """Return images (K, m, H, W, C) side by side on a clear ground, as RGBA."""
    classes, each, height, width, channels = images.shape
    gap = _gap(height)
    sheet = np.zeros((classes, height + gap, each, width + gap, 4), dtype=np.uint8)
    sheet[:, :height, :, :width, :3] = (
        images.transpose(0, 2, 1, 3, 4)[..., :3] if channels > 1 else images.transpose(0, 2, 1, 3, 4)
    )
    sheet[:, :height, :, :width, 3] = 255
    return sheet.reshape(classes * (height + gap), each * (width + gap), 4)
