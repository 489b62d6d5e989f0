"""95 % intervals that know of patients: for proportions, for means of proportions, and from bootstrap replicates.

All of them take the trained model as given: they speak of new patients, not of another training. Their coverage is
measured in ``benchmarks/interval_coverage.py`` and stands in ``docs/statistics.md``.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

__all__ = [
    "CONFIDENCE",
    "Interval",
    "clopper_pearson",
    "effective_number",
    "expanded_percentile",
    "korn_graubard",
    "mover_mean",
    "satterthwaite",
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
    low = stats.beta.ppf(_TAIL, successes, n - successes + 1) if successes > 0 else 0.0
    high = stats.beta.ppf(1 - _TAIL, successes + 1, n - successes) if successes < n else 1.0
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
        ``n · v_srs / v_cluster · (t_{n−1} / t_{d})²`` with d = groups − 1 degrees of freedom, at most n.

    Notes
    -----
    Where the variance between groups cannot be estimated (all units succeed, none does, or there is one group), the
    units of a group are taken to stand or fall together: Kish's ``(Σ m_g)² / Σ m_g²`` for group sizes m_g, which is the
    number of groups when they are equally large. Korn and Graubard would take n there, which covers badly.

    References
    ----------
    Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24(2), section 2; Kish 1965, "Survey sampling", section 8.2.
    """
    n, p = len(success), float(success.mean())
    _, group = np.unique(groups, return_inverse=True)
    size = np.bincount(group).astype(np.float64)
    g = len(size)
    together = n**2 / float((size**2).sum())
    residual = np.bincount(group, weights=success, minlength=g) - p * size
    between = g / max(g - 1, 1) * float((residual**2).sum()) / n**2
    if g < 2 or between < 1e-12:
        return together
    ratio = p * (1 - p) / (n - 1) / between
    t = stats.t.ppf(1 - _TAIL, [n - 1, g - 1])
    return min(float(n), float(n * ratio * (t[0] / t[1]) ** 2))


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


def mover_mean(values: np.ndarray, intervals: np.ndarray) -> Interval:
    """Return the interval of a mean of independent proportions from their own intervals.

    Parameters
    ----------
    values : ndarray of float64, shape (m,)
    intervals : ndarray of float64, shape (m, 2)

    References
    ----------
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach", Statistics in
    Medicine 27, equation 5 (method of variance estimates recovery), here for a sum of m terms.
    """
    m, centre = len(values), float(values.mean())
    low = centre - float(np.sqrt(((values - intervals[:, 0]) ** 2).sum())) / m
    high = centre + float(np.sqrt(((intervals[:, 1] - values) ** 2).sum())) / m
    return max(low, 0.0), min(high, 1.0)


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


def expanded_percentile(replicates: np.ndarray, degrees: float) -> Interval:
    """Return percentiles of bootstrap replicates, as far out as Student's t asks for few groups.

    Parameters
    ----------
    replicates : ndarray of float64, shape (R,)
        From a bootstrap whose variance is right for small strata (Rao and Wu's).
    degrees : float
        Degrees of freedom of the figure's variance.

    References
    ----------
    Hesterberg 2015, "What teachers should know about the bootstrap", The American Statistician 69(4), section 4.3
    (expanded percentile interval).
    """
    tail = float(stats.norm.sf(stats.t.ppf(1 - _TAIL, degrees)))
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(low), float(high)
