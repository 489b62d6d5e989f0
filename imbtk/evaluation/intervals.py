"""95 % intervals that know of patients: for proportions, for means of proportions, and from bootstrap replicates.

All of them take the trained model as given: they speak of new patients, not of another training. Their coverage is
measured in ``benchmarks/interval_coverage.py`` and stands in ``docs/statistics.md``.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts are loaded when used

from imbtk.evaluation.metric_table import Scale

__all__ = [
    "CONFIDENCE",
    "Interval",
    "clopper_pearson",
    "effective_number",
    "korn_graubard",
    "mover_geometric_mean",
    "mover_mean",
    "satterthwaite",
    "sensitivity_interval",
    "studentized",
]

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2

Interval = tuple[float, float]


def clopper_pearson(successes: float, n: float) -> Interval:
    """Return the exact interval of a binomial proportion; both numbers may be fractions.

    References
    ----------
    Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial".
    """
    low = scipy.special.betaincinv(successes, n - successes + 1, _TAIL) if successes > 0 else 0.0
    high = scipy.special.betaincinv(successes + 1, n - successes, 1 - _TAIL) if successes < n else 1.0
    return float(low), float(high)


def effective_number(success: np.ndarray, groups: np.ndarray) -> float:
    """Return how many independent units the clustered ones are worth for their proportion.

    Parameters
    ----------
    success : ndarray of bool, shape (n,), n at least 1
    groups : ndarray of int64, shape (n,)

    Returns
    -------
    float
        ``n · v_srs / v_cluster · (t_{n−1} / t_d)²``, at most n and at least Kish's ``(Σ m_g)² / Σ m_g²`` for group
        sizes m_g, which is what is left when the units of a group stand or fall together.

    Notes
    -----
    Korn and Graubard take d = groups − 1. That covers only 62 to 90 % where few groups hold all failures (or all
    successes), because the variance rests on those: d is here at most f + 1, f groups holding the rarer outcome. And
    where no variance can be estimated (all units succeed, none does, or there is one group) they take n, here Kish's
    number is taken. ``docs/statistics.md`` has the simulation.

    References
    ----------
    Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24(2), section 2; Kish 1965, "Survey sampling", section 8.2.
    """
    n, p = len(success), float(success.mean())
    _, group = np.unique(groups, return_inverse=True)
    size = np.bincount(group).astype(np.float64)
    hits = np.bincount(group, weights=success)
    g = len(size)
    together = n**2 / float((size**2).sum())
    between = g / max(g - 1, 1) * float(((hits - p * size) ** 2).sum()) / n**2
    if g < 2 or p in (0.0, 1.0):
        return together
    rarer = int(min((hits > 0).sum(), (hits < size).sum()))
    worth = n * p * (1 - p) / (n - 1) / max(between, 1e-12)
    t = scipy.special.stdtrit([n - 1, min(g - 1, rarer + 1)], 1 - _TAIL)
    return float(np.clip(worth * (t[0] / t[1]) ** 2, together, n))


def korn_graubard(success: np.ndarray, groups: np.ndarray | None) -> Interval:
    """Return the Clopper–Pearson interval of a proportion on the effective number of its units.

    Parameters
    ----------
    success : ndarray of bool, shape (n,), n at least 1
    groups : ndarray of int64, shape (n,), optional
        None: units are independent, and the interval is plain Clopper–Pearson.
    """
    n = float(len(success)) if groups is None else effective_number(success, groups)
    return clopper_pearson(float(success.mean()) * n, n)


def sensitivity_interval(found: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the 95 % interval of a sensitivity that knows of patients.

    Parameters
    ----------
    found : ndarray of bool, shape (n,), n at least 1
        Whether each row of the class was called so.
    groups : ndarray of int64, shape (n,), optional
        Patient of each of these rows; None where that is not known, and rows are taken as independent.

    Returns
    -------
    low, high : float
        Clopper and Pearson's interval on the effective number of rows: see :func:`effective_number`.

    Examples
    --------
    >>> low, _ = sensitivity_interval(np.ones(72, dtype=bool))
    >>> round(low, 3)
    0.95
    """
    return korn_graubard(np.asarray(found, dtype=bool), groups)


def mover_mean(values: np.ndarray, intervals: np.ndarray) -> Interval:
    """Return the interval of a mean of independent metrics from their own intervals.

    Parameters
    ----------
    values : ndarray of float64, shape (m,)
    intervals : ndarray of float64, shape (m, 2)

    References
    ----------
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach", Statistics in
    Medicine 27, section 2 (method of variance estimates recovery), here for a sum of m terms.
    """
    m, centre = len(values), float(values.mean())
    low = centre - float(np.sqrt(((values - intervals[:, 0]) ** 2).sum())) / m
    high = centre + float(np.sqrt(((intervals[:, 1] - values) ** 2).sum())) / m
    return low, high


def mover_geometric_mean(values: np.ndarray, intervals: np.ndarray) -> Interval:
    """Return the interval of a geometric mean of independent proportions: :func:`mover_mean` of their logarithms.

    Parameters
    ----------
    values : ndarray of float64, shape (m,), all positive
    intervals : ndarray of float64, shape (m, 2)
    """
    with np.errstate(divide="ignore"):
        low, high = mover_mean(np.log(values), np.log(intervals))
    return float(np.exp(low)), float(np.exp(high))


def satterthwaite(variances: np.ndarray, degrees: np.ndarray) -> float:
    """Return the degrees of freedom of a sum of independent variance estimates.

    Parameters
    ----------
    variances, degrees : ndarray of float64, shape (strata,)
        What each stratum adds to the variance, and its number of groups less one (at least 1).

    References
    ----------
    Satterthwaite 1946, "An approximate distribution of estimates of variance components", equation 17.
    """
    total = float(variances.sum())
    if total <= 0:
        return float(degrees.sum())
    return float(total**2 / (variances**2 / degrees).sum())


def studentized(value: float, spread: float, degrees: float, scale: Scale) -> Interval:
    """Return ``g⁻¹(g(value) ± t · g'(value) · spread)``: a t interval on a scale where the metric is unbounded.

    Parameters
    ----------
    value : float
        The metric, inside its range.
    spread : float
        Its standard error.
    degrees : float
        Degrees of freedom of the standard error.
    scale : "logit", "log" or "fisher"
        For metrics in (0, 1), (0, ∞) and (−1, 1).

    References
    ----------
    Efron and Tibshirani 1993, "An introduction to the bootstrap", section 12.6 (transformations); the delta method.
    """
    reach = float(scipy.special.stdtrit(degrees, 1 - _TAIL)) * spread
    if scale == "log":
        ends = np.exp(np.log(value) + np.array([-1, 1]) * reach / value)
    elif scale == "logit":
        ends = scipy.special.expit(scipy.special.logit(value) + np.array([-1, 1]) * reach / (value * (1 - value)))
    else:
        ends = np.tanh(np.arctanh(value) + np.array([-1, 1]) * reach / (1 - value**2))
    return float(ends[0]), float(ends[1])
