"""Is it chance? One paired test of one metric, and beside it what others would ask for, labelled as secondary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from imbtk.comparison.metrics import OFFERED, Spread, figures, unit_contributions
from imbtk.comparison.outcomes import JudgedRows, Outcome

__all__ = [
    "ALPHA",
    "Tost",
    "Verdict",
    "corrected_t_test",
    "detectable_difference",
    "holm",
    "is_linear",
    "mcnemar",
    "paired_p_value",
    "sign_flip",
    "swap_test",
    "tost",
    "tost_of_twins",
    "verdict",
]

ALPHA = 0.05
POWER = 0.80
PERMUTATIONS = 9_999
SWAPS = 1_999
SWAPS_OF_OFFERED = 499
"""Of a plugin's metric, which is computed anew for each."""
_FLIP_CELLS = 4_000_000

Verdict = Literal["better", "worse", "equivalent within the margin", "no evidence of a difference"]

FAMILY = {
    "auroc": "rankings",
    "auprc": "rankings",
    "macro_auroc": "rankings",
    "macro_auprc": "rankings",
    "log_loss": "probabilities",
    "brier": "probabilities",
}
"""Which of the resampled metrics a metric is among; decisions unless named here or with a number in its key."""


def family_of(name: str, rows: JudgedRows) -> str:
    """Return which of the resampled metrics a metric is among."""
    return OFFERED if name in rows.extra else FAMILY.get(name, "rankings" if "@" in name else "decisions")


def sign_flip(contributions: np.ndarray, seed: int) -> float:
    """Return the two-sided p-value of the paired sign-flip permutation test.

    Parameters
    ----------
    contributions : ndarray of float64, shape (U,)
        What each unit adds to the difference. Under the null hypothesis the names of the two plans can be swapped in
        any unit, with all its rows and repeats, and its contribution changes its sign.
    seed : int

    Notes
    -----
    All sign patterns where there are fewer than 10,000, else 9,999 drawn ones. Units that add nothing are left out:
    they change nothing.

    References
    ----------
    Pitman 1937, "Significance tests which may be applied to samples from any populations"; Phipson and Smyth 2010,
    "Permutation p-values should never be zero".
    """
    moved = contributions[np.abs(contributions) > 1e-15]
    if len(moved) < 2:
        return 1.0
    result = stats.permutation_test(
        (moved,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=max(1, _FLIP_CELLS // len(moved)),
        random_state=np.random.default_rng([seed, 1]),
    )
    return float(result.pvalue)


def swap_test(rows: JudgedRows, first: Outcome, second: Outcome, name: str, seed: int) -> float:
    """Return the p-value of the same test for a metric that is no sum over units: plans are swapped unit by unit.

    Parameters
    ----------
    rows : JudgedRows
    first, second : Outcome
    name : str
        A metric over all classes.
    seed : int
    """
    unit = rows.unit
    size = int(unit.max()) + 1
    both = replace(rows, labels=np.tile(rows.labels, 2), groups=None, fold=np.tile(rows.fold, (1, 2)))
    joined = replace(
        first,
        predicted=np.concatenate([first.predicted, second.predicted], axis=1),
        probabilities=np.concatenate([first.probabilities, second.probabilities], axis=1),
        priors=np.concatenate([first.priors, second.priors], axis=1),
    )
    rng = np.random.default_rng([seed, 2])
    swaps = SWAPS_OF_OFFERED if name in rows.extra else SWAPS
    kept = rng.integers(2, size=(size, swaps + 1)).astype(np.float64)
    kept[:, 0] = 1.0
    step = max(1, _FLIP_CELLS // (2 * size))
    differences = []
    for start in range(0, kept.shape[1], step):
        part = kept[:, start : start + step]
        sides = [
            figures(both, joined, np.concatenate([unit, unit + size]), weights, [family_of(name, rows)])[name]
            for weights in (np.vstack([part, 1 - part]), np.vstack([1 - part, part]))
        ]
        differences.append(sides[0] - sides[1])
    found = np.abs(np.concatenate(differences))
    if not np.isfinite(found[0]):
        return float("nan")
    # A pattern in which the metric cannot be computed counts against the difference.
    as_large = ~(found[1:] < found[0] - 1e-12 * (1 + found[0]))
    return float((1 + as_large.sum()) / (1 + swaps))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down procedure.

    References
    ----------
    Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.zeros(len(p_values))
    largest = 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return [float(p) for p in adjusted]


def corrected_t_test(differences: np.ndarray, test_share: float) -> tuple[float, int, float]:
    """Return t, degrees of freedom and p-value of the corrected resampled t-test.

    Parameters
    ----------
    differences : ndarray of float64, shape (J,)
        Of each train-test split: J = folds × repeats, metrics of several seeds averaged before.
    test_share : float
        Test rows over training rows, n₂ / n₁.

    References
    ----------
    Nadeau and Bengio 2003, "Inference for the generalization error", Machine Learning 52, section 5.2: the variance is
    multiplied by 1/J + n₂/n₁.
    """
    j = len(differences)
    mean, variance = float(differences.mean()), float(differences.var(ddof=1)) if j > 1 else 0.0
    if variance < 1e-24:
        return (0.0, j - 1, 1.0) if abs(mean) < 1e-12 else (float(np.inf * np.sign(mean)), j - 1, 0.0)
    t = mean / float(np.sqrt((1 / j + test_share) * variance))
    return t, j - 1, float(2 * stats.t.sf(abs(t), j - 1))


def mcnemar(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Return how many rows only the first plan decides rightly, how many only the second, and the exact p-value.

    References
    ----------
    McNemar 1947, Psychometrika 12; exact form: the binomial test of the discordant rows.
    """
    only_first = int(((first == labels) & (second != labels)).sum())
    only_second = int(((first != labels) & (second == labels)).sum())
    if only_first + only_second == 0:
        return 0, 0, 1.0
    return only_first, only_second, float(stats.binomtest(only_first, only_first + only_second).pvalue)


@dataclass(frozen=True)
class Tost:
    """Two one-sided tests: p-values of "not worse by the margin", of "not better by it", and of both: equivalence."""

    not_worse: float
    not_better: float

    @property
    def equivalent(self) -> float:
        """The p-value of equivalence."""
        return max(self.not_worse, self.not_better)


def tost(difference: float, spread: Spread, margin: float) -> Tost:
    """Return the two one-sided tests of a difference (above 0: better) against a margin.

    Parameters
    ----------
    difference : float
    spread : Spread
        With an error above 0.
    margin : float

    References
    ----------
    Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power approach", Journal of
    Pharmacokinetics and Biopharmaceutics 15.
    """
    return Tost(
        float(stats.t.sf((difference + margin) / spread.error, spread.degrees)),
        float(stats.t.cdf((difference - margin) / spread.error, spread.degrees)),
    )


def tost_of_twins(margin: float, units: int) -> Tost:
    """Return the two one-sided tests of two plans that decide every row alike, where no spread can be seen.

    That is no proof that they are the same. If balanced accuracies differ by at least `margin`, there is a class in
    which the two decide at least that share of all units to sample from differently: the chance that none of these is
    among `units` drawn ones is at most (1 − margin)^units.

    Parameters
    ----------
    margin : float
    units : int
        In the class that has the fewest.
    """
    chance = float((1 - margin) ** units)
    return Tost(chance, chance)


def detectable_difference(spread: Spread) -> float:
    """Return the smallest true difference that a two-sided test at 5 % would have found with 80 % power.

    ``(t_0.975 + t_0.8) · standard error of the paired difference``: a property of the design, not of what was found.
    """
    return float((stats.t.ppf(1 - ALPHA / 2, spread.degrees) + stats.t.ppf(POWER, spread.degrees)) * spread.error)


def verdict(difference: float, p_holm: float, p_equivalent: float | None) -> Verdict:
    """Return what can be said of a plan against the baseline.

    Parameters
    ----------
    difference : float
        Above 0: better.
    p_holm : float
        Of the one test, adjusted.
    p_equivalent : float, optional
        Of equivalence, adjusted; None where no margin was given.
    """
    if p_holm <= ALPHA:
        return "better" if difference > 0 else "worse"
    if p_equivalent is not None and p_equivalent <= ALPHA:
        return "equivalent within the margin"
    return "no evidence of a difference"


def is_linear(name: str, outcomes: Sequence[Outcome]) -> bool:
    """Return whether a metric is a sum over units: then signs are flipped, otherwise plans swapped."""
    return name in ("balanced_accuracy", "accuracy") and all((o.predicted >= 0).all() for o in outcomes)


def paired_p_value(rows: JudgedRows, first: Outcome, second: Outcome, name: str, seed: int) -> float:
    """Return the p-value of the primary test: two plans, one metric, units as the pairs."""
    if is_linear(name, (first, second)):
        return sign_flip(unit_contributions(rows, first, name) - unit_contributions(rows, second, name), seed)
    return swap_test(rows, first, second, name, seed)
