"""Which mistakes are looked at: those of the decision, the surest first."""

from __future__ import annotations

import numpy as np

from imbtk.authoring.prediction import ABSTAIN

__all__ = ["surest_mistakes"]


def surest_mistakes(truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the places of wrongly decided rows, (M,) int64, by falling probability of the class that was decided.

    Parameters
    ----------
    truth : ndarray of int64, shape (N,)
    predicted : ndarray of int64, shape (N,)
        As the run's rule decides; rows that it leaves open are no mistakes.
    probabilities : ndarray of float64, shape (N, K)

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    >>> surest_mistakes(np.array([0, 0, 0]), np.array([0, 1, 1]), p).tolist()
    [2, 1]
    """
    wrong = np.flatnonzero((predicted != truth) & (predicted != ABSTAIN))
    return np.asarray(wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")])
