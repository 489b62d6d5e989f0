"""What prediction sets are worth: how often they hold the true class, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from imbtk.evaluation.intervals import clopper_pearson
from imbtk.evaluation.levels import Figure, missing_metric
from imbtk.evaluation.metrics import Missing

__all__ = ["set_metrics"]

_DESCRIBED = "it describes these rows' sets"


def set_metrics(
    in_set: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, class_names: Sequence[str]
) -> dict[str, Any]:
    """Return coverage and size of sets, over all rows and for each class, as plain JSON values.

    Parameters
    ----------
    in_set : ndarray of bool, shape (N, K)
        From :meth:`imbtk.DecisionRule.in_set`.
    labels : ndarray of int64, shape (N,)
    groups : ndarray of int64, shape (N,), optional
        Patient of each row; None where that is not known, and each row counts for one.
    class_names : sequence of str, length K

    Returns
    -------
    dict
        A ``sets`` of ``metrics.schema.json``. Every group weighs one in each mean, its rows of the class in equal
        parts, as they do where sets are fitted. The interval of a coverage is Clopper and Pearson's on the number of
        groups, as if a group's rows were covered together or not at all: rather too wide than too narrow.
    """
    covered, sizes = in_set[np.arange(len(labels)), labels], in_set.sum(axis=1)

    def of(rows: np.ndarray) -> dict[str, Figure]:
        return _figures(covered[rows], sizes[rows], None if groups is None else groups[rows])

    return {
        "overall": of(np.full(len(labels), True)),
        "per_class": [{"name": str(name), **of(labels == k)} for k, name in enumerate(class_names)],
    }


def _figures(covered: np.ndarray, sizes: np.ndarray, groups: np.ndarray | None) -> dict[str, Figure]:
    if not len(covered):
        return dict.fromkeys(("coverage", "size", "empty"), missing_metric(Missing("there is no such row")))
    units = np.arange(len(covered)) if groups is None else groups
    _, group, of_group = np.unique(units, return_inverse=True, return_counts=True)
    weights, count = 1.0 / of_group[group] / len(of_group), {"n": len(covered), "groups": None}
    if groups is not None:
        count["groups"] = len(of_group)
    share = min(float(weights @ covered), 1.0)  # weights may sum to a little more
    interval = list(clopper_pearson(share * len(of_group), len(of_group)))
    described = {"interval": None, "interval_reason": _DESCRIBED, **count, "method": None}
    return {
        "coverage": {"value": share, "interval": interval, **count, "method": "clopper-pearson"},
        "size": {"value": float(weights @ sizes), **described},
        "empty": {"value": min(float(weights @ (sizes == 0)), 1.0), **described},
    }
