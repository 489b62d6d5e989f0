"""Mean ROC curve and reliability of a plan over its cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve

from imbtk.comparison.outcomes import JudgedRows, Outcome
from imbtk.evaluation.curves import reliability_bins, roc_curve_points
from imbtk.evaluation.metrics import Missing

__all__ = ["plan_curves"]

_GRID = np.linspace(0, 1, 101)


def plan_curves(rows: JudgedRows, outcome: Outcome, positive: int | None) -> dict[str, Any]:
    """Return ROC, precision-recall and reliability of a plan as plain numbers.

    Parameters
    ----------
    rows : JudgedRows
    outcome : Outcome
    positive : int, optional
        The positive class of binary data, whose curves they are; without it the ROC curve is the mean over classes, and
        the reliability that of the most probable class.

    Notes
    -----
    ROC curves are averaged over folds, repeats (and classes) at equal false positive rates (Fawcett 2006, "An
    introduction to ROC analysis", section 8, vertical averaging), precisions at equal sensitivities: scores of two
    networks have no common scale.
    """
    lines, steps = [], []
    for r in range(len(rows.fold)):
        for f in range(int(rows.fold[r].max()) + 1):
            where = rows.fold[r] == f
            labels, probabilities = rows.labels[where], outcome.probabilities[r, where]
            for k in range(rows.num_classes) if positive is None else (positive,):
                points = roc_curve_points(labels == k, probabilities[:, k])
                if not isinstance(points, Missing):
                    lines.append(_at_grid(*points))
                if positive is not None and not isinstance(points, Missing):
                    steps.append(_precision_at_grid(labels == k, probabilities[:, k]))
    if positive is None:
        said = outcome.probabilities.max(axis=2)
        true = outcome.probabilities.argmax(axis=2) == rows.labels
    else:
        said, true = outcome.probabilities[:, :, positive], np.broadcast_to(rows.labels == positive, rows.fold.shape)
    return {
        "roc": {"x": _GRID.tolist(), "y": np.mean(lines, axis=0).tolist() if lines else None},
        "precision_recall": {"x": _GRID[1:].tolist(), "y": np.mean(steps, axis=0).tolist() if steps else None},
        "reliability": reliability_bins(true.ravel(), said.ravel(), np.tile(rows.unit, len(rows.fold))),
    }


def _precision_at_grid(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the precision at which each sensitivity of the grid, above 0, is reached: a step, nothing between."""
    precision, sensitivity, _ = precision_recall_curve(truth, score)
    sensitivity, precision = sensitivity[::-1], precision[::-1]
    first = np.searchsorted(sensitivity, _GRID[1:] - 1e-12, side="left")
    return np.asarray(precision[np.minimum(first, len(precision) - 1)])


def _at_grid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sensitivity at each false positive rate of the grid; a vertical stretch is taken at its top."""
    last = np.append(np.diff(x) > 0, True)
    line = np.interp(_GRID, x[last], y[last])
    return np.asarray(line)
