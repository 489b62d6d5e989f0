"""Sets of classes that hold the true one as often as asked for, in each class."""

from __future__ import annotations

import numpy as np

from imbtk import DecisionRule, Strategy, hookimpl, option

__all__ = ["Conformal"]


class Conformal(Strategy):
    """Say for each row which classes cannot be ruled out, so that each class is missed in `alpha` of its rows at most.

    Notes
    -----
    With logits z as trained, the score of class k for a row is s_k = -log softmax(z)_k. Class k is in the set of a row
    where s_k ≤ q_k, and q_k is the smallest of the scores s_k of the rows of class k that

        Σ_g 1/(G_k + 1) · (share of group g's rows of class k with s_k ≤ q_k)  ≥  1 - alpha

    holds for, over the G_k groups (patients) that have such rows; without groups each row is one. That is the
    ⌈(n_k + 1)(1 - alpha)⌉-th smallest of n_k scores. The 1 stands for the row to come. With less than
    (1 - alpha) / alpha groups in a class (9 for 0.1) no score is large enough: q_k is infinite, the class is in every
    set, and terminal, page and ``decision.json`` name it.

    If the groups of a class are exchangeable with those to come, the set of a random row of class k of a new group
    holds k with a probability of at least 1 - alpha, whatever the network: on average over calibration rows, of which
    a rare class has few. Neither calibration nor the deployment prior moves the sets. Not guaranteed exactly are sets
    from out-of-fold rows, which other models predicted, and from validation rows that early stopping looked at: the
    run says so. A set may be empty: then the row is like no class that the network knows.

    No class is decided. The decision is another strategy's, or as trained: ``threshold conformal``; the class decided
    may be outside of the set.

    When to use
    -----------
    Where a human looks at what is unsure, and a missed rare class is worse than a second suggestion; sets that hold
    many classes say that the network does not know. At least some 20 rows (patients, where these are known) of the
    rarest class on the validation side, or ``stratified-split:folds=5`` for out-of-fold rows.

    Cost
    ----
    Nothing but a sort; with folds as many more trainings as for any rule that is fitted on out-of-fold rows.

    Not with
    --------
    Another strategy that makes sets. With `reject`, a row may be left open and have a set of one class.

    Evidence
    --------
    A theorem, and not a benchmark: coverage holds for any network, and a better network has smaller sets. Among all
    sets with that coverage in each class those of the true probabilities are smallest on average.

    References
    ----------
    Vovk 2012, "Conditional validity of inductive conformal predictors" (sets of each class, label-conditional).
    Sadinle, Lei & Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels" (thresholds on
    the probabilities, one for each class). Dunn, Wasserman & Ramdas 2023, "Distribution-free prediction sets for
    two-layer hierarchical models", and Lee, Barber & Willett 2023, "Distribution-free inference with hierarchical
    data" (a group weighing one).
    """

    alpha: float = option(0.1, "Share of each class's rows whose set may lack the class.", gt=0, lt=1)

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray, labels: np.ndarray, groups: np.ndarray | None) -> DecisionRule:
        """Return a rule of sets alone, one limit for each class, from rows that the model has not seen."""
        from scipy.special import log_softmax

        scores = -log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
        units = np.arange(len(labels)) if groups is None else groups
        limits = [_limit(scores[labels == k, k], units[labels == k], 1 - self.alpha) for k in range(scores.shape[1])]
        return DecisionRule(
            sets=np.array(limits), name=f"sets that hold at least {100 * (1 - self.alpha):g} % of each class"
        )


def _limit(scores: np.ndarray, groups: np.ndarray, wanted: float) -> float:
    """Return the smallest score at which the weighted share reaches `wanted`, infinite where none does."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(scores)
    reached = np.cumsum(1 / sizes[group[order]]) / (len(sizes) + 1)
    # Sums of shares such as 1/3 may end a little below the whole.
    enough = np.flatnonzero(reached >= wanted - 1e-9)
    return float(scores[order[enough[0]]]) if len(enough) else np.inf
