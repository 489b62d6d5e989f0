"""Thresholds as a shift per class, found one class at a time by trying every cut between two rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["METRICS", "best_shift", "cut_points", "lead_of_others", "resolution"]

MOST_SWEEPS, MOST_STEPS = 20, 3000
_EQUAL = 1e-12
_BEYOND = 1.0
"""How far a cut beyond the outermost row lies from it, in logits."""

Parts = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""``(class, hits, calls) -> (n, parts)``: what classes with so many hits and calls add to sums over classes."""

Metric = Callable[[np.ndarray, int | None], tuple[Parts, Callable[[np.ndarray], np.ndarray]]]
"""``(rows per class, positive class of binary data) -> (parts, sums of parts (P, parts) -> metric (P,))``."""


def _first(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[:, 0])


def _balanced_accuracy(n: np.ndarray, positive: int | None) -> tuple[Parts, Callable[[np.ndarray], np.ndarray]]:
    return lambda k, hits, calls: (hits / n[k])[:, None] / len(n), _first


def _youden(n: np.ndarray, positive: int | None) -> tuple[Parts, Callable[[np.ndarray], np.ndarray]]:
    return lambda k, hits, calls: (hits / n[k] - (calls - hits) / (n.sum() - n[k]))[:, None] / len(n), _first


def _f1(n: np.ndarray, positive: int | None) -> tuple[Parts, Callable[[np.ndarray], np.ndarray]]:
    weight = np.full(len(n), 1 / len(n)) if positive is None else np.eye(len(n))[positive]
    return lambda k, hits, calls: (weight[k] * 2 * hits / (calls + n[k]))[:, None], _first


def _mcc(n: np.ndarray, positive: int | None) -> tuple[Parts, Callable[[np.ndarray], np.ndarray]]:
    total = float(n.sum())

    def figure(sums: np.ndarray) -> np.ndarray:
        hits, products, squares = sums.T
        below = np.sqrt(np.maximum(total**2 - squares, 0) * (total**2 - float((n**2).sum())))
        return np.asarray(np.where(below > 0, (hits * total - products) / np.where(below > 0, below, 1), 0.0))

    return lambda k, hits, calls: np.stack([hits, calls * n[k], calls**2], axis=1), figure


METRICS: dict[str, Metric] = {
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "youden": _youden,
    "mcc": _mcc,
}


def best_shift(
    logits: np.ndarray, labels: np.ndarray, metric: str, positive: int | None, order: Sequence[int]
) -> np.ndarray:
    """Return the shift (K,) on the logits with the best metric that changing one class at a time can reach.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, K)
    labels : ndarray of int64, shape (n,)
        Every class has a row.
    metric : str
        One of :data:`METRICS`.
    positive : int, optional
        The positive class of binary data.
    order : sequence of int
        In which classes are changed.
    """
    n = np.bincount(labels, minlength=logits.shape[1]).astype(np.float64)
    parts, figure = METRICS[metric](n, positive)
    scores, shift, apart = logits.copy(), np.zeros(logits.shape[1]), resolution(logits)
    top = _top_two(scores)
    best = -np.inf
    for _ in range(min(MOST_SWEEPS, max(1, MOST_STEPS // len(shift)))):
        before = best
        for k in order:
            other, lead = _others(scores, top, k)
            step, best = _best_step(lead, apart, other, labels=labels, k=k, parts=parts, figure=figure)
            if step:
                shift[k] += step
                scores[:, k] += step
                touched = (top == k).any(axis=1) | (scores[:, k] > scores[np.arange(len(scores)), top[:, 1]])
                top[touched] = _top_two(scores[touched])
        if best <= before + _EQUAL:
            break
    return np.asarray(shift - shift.mean())


def _top_two(scores: np.ndarray) -> np.ndarray:
    """Return the classes of the largest and the second largest score of each row, (n, 2)."""
    if not len(scores):
        return np.empty((0, 2), dtype=np.int64)
    top = np.argpartition(-scores, 1, axis=1)[:, :2]
    values = np.take_along_axis(scores, top, axis=1)
    return np.where((values[:, 0] >= values[:, 1])[:, None], top, top[:, ::-1])


def _others(scores: np.ndarray, top: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best class beside k of each row, and by how much it leads class k."""
    other = np.where(top[:, 0] == k, top[:, 1], top[:, 0])
    return other, scores[np.arange(len(scores)), other] - scores[:, k]


def lead_of_others(logits: np.ndarray, k: int) -> np.ndarray:
    """Return by how much the best other class leads class k, (n,): a row is called k where the shift is larger."""
    return _others(logits, _top_two(logits), k)[1]


def resolution(logits: np.ndarray) -> np.ndarray:
    """Return how far the leads of two rows must lie apart for float32 logits to tell them apart, (n,)."""
    # A lead is a difference: what a network computes in float32 is known to a unit in the last place of each part.
    return np.asarray(2 * np.finfo(np.float32).eps * np.abs(logits).max(axis=1, initial=0.0))


def cut_points(lead: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Return n + 1 shifts for n sorted leads: the p-th calls the first p rows, NaN where two cannot be told apart.

    Parameters
    ----------
    lead : ndarray of float64, shape (n,)
        Rising.
    apart : ndarray of float64, shape (n,)
        What :func:`resolution` says of the same rows.
    """
    inner = np.where(np.diff(lead) > np.maximum(apart[:-1], apart[1:]), (lead[:-1] + lead[1:]) / 2, np.nan)
    return np.concatenate([[lead[0] - _BEYOND], inner, [lead[-1] + _BEYOND]])


def _best_step(
    lead: np.ndarray,
    apart: np.ndarray,
    other: np.ndarray,
    labels: np.ndarray,
    k: int,
    parts: Parts,
    figure: Callable[[np.ndarray], np.ndarray],
) -> tuple[float, float]:
    """Return the change of class k's shift with the best metric, and that metric; of equals the smallest change."""
    order = np.argsort(lead, kind="stable")
    lead, other, labels = lead[order], other[order], labels[order]
    values = figure(_sums(other, labels, k, parts))
    cuts = cut_points(lead, apart[order])
    now = int(np.searchsorted(lead, 0.0))  # rows with a negative lead are called k as it is
    cuts[now] = 0.0
    values = np.where(np.isnan(cuts), -np.inf, values)
    equal = np.flatnonzero(values >= values.max() - _EQUAL)
    chosen = equal[np.argmin(np.abs(cuts[equal]))]
    return float(cuts[chosen]), float(values[chosen])


def _sums(other: np.ndarray, labels: np.ndarray, k: int, parts: Parts) -> np.ndarray:
    """Return the parts summed over classes, (n + 1, m): the first p rows are called k, the others `other`."""
    n = len(labels)
    left, mine = labels == other, np.concatenate([[0], np.cumsum(labels == k)])
    # Rows leave the class that they were called: counted within each class, in the order in which they leave.
    by_class = np.argsort(other, kind="stable")
    classes, starts, sizes = np.unique(other[by_class], return_index=True, return_counts=True)
    gone = np.arange(n) - np.repeat(starts, sizes)
    hits_gone = np.cumsum(left[by_class]) - left[by_class]
    hits_gone = hits_gone - np.repeat(hits_gone[starts], sizes)
    hits = np.add.reduceat(left[by_class].astype(np.int64), starts)
    before_hits, before_calls = np.repeat(hits, sizes) - hits_gone, np.repeat(sizes, sizes) - gone
    which = other[by_class]
    change = parts(which, before_hits - left[by_class], before_calls - 1.0) - parts(which, before_hits, before_calls)
    steps = np.empty_like(change)
    steps[by_class] = change
    begin = parts(classes, hits, sizes.astype(np.float64)).sum(axis=0)
    rest = begin + np.concatenate([np.zeros((1, change.shape[1])), np.cumsum(steps, axis=0)])
    return np.asarray(rest + parts(np.full(n + 1, k), mine, np.arange(n + 1.0)))
