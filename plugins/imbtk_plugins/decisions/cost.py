"""Decisions that cost least."""

from __future__ import annotations

import numpy as np

from imbtk import DecisionRule, RunContext, Strategy, hookimpl, option
from imbtk.errors import OptionError, did_you_mean

__all__ = ["Cost"]


class Cost(Strategy):
    """Decide for the class whose expected cost is least under the calibrated probabilities.

    Notes
    -----
    With the cost c(t, d) of deciding d where t is true, and calibrated probabilities p at the deployment prior, the
    decision is

        argmin_d Σ_t p(t) · c(t, d)

    Only differences within a row of the matrix matter. With two classes and nothing to pay for right decisions the
    positive class is decided from the probability c(neg, pos) / (c(neg, pos) + c(pos, neg)) on: 1 / 21 where missing a
    tumour costs 20 times as much as a false alarm. Nothing is fitted: the decision is as good as the probabilities, and
    it moves with the deployment prior (``--deploy``), also after training. Without `matrix` all mistakes cost 1, which
    gives the most probable class.

    Write ``matrix=[[0,1],[20,0]]``, rows being true classes in the order of the class names, or by name
    ``matrix={malignant: {benign: 20}}``, where mistakes that are not named cost 1 and right decisions 0.

    When to use
    -----------
    Where you can say what each mistake costs in proportion to the others.

    Cost
    ----
    None: nothing is fitted, and nothing more is trained.

    Not with
    --------
    A run has one decision: refused beside `threshold`, `reject`, ``logit-adjust:mode=posthoc`` and ``--decide deploy``.
    ``calibrate:method=none`` is not refused, and leaves it with probabilities at the wrong frequencies after any
    strategy that moves them.

    Evidence
    --------
    That no other decision costs less is a theorem, given right probabilities (Elkan 2001). Nothing was measured here.

    References
    ----------
    Elkan 2001, "The foundations of cost-sensitive learning", eq. 1 (decision), section 1.1 (reasonable matrices, which
    are asked for here; the paper writes C(decided, truth)) and eq. 2 (threshold).
    """

    matrix: list[list[float]] | dict[str, dict[str, float]] | None = option(
        None, "Cost of each decision, [truth][decided], without unit: a square list, or a table by class names."
    )

    def check_run(self, context: RunContext) -> None:
        """Refuse a matrix that does not fit the classes, before anything is trained.

        Raises
        ------
        OptionError
            If its shape or a name is wrong, a mistake costs less than the right decision, or a class can never pay.
        """
        self._costs(context.class_names)

    @hookimpl
    def imbtk_decide(self, context: RunContext) -> DecisionRule:
        """Return the rule of least expected cost."""
        costs = self._costs(context.class_names)
        return DecisionRule("probabilities", cost=costs, name="the least expected cost")

    def _costs(self, class_names: tuple[str, ...]) -> np.ndarray:
        """Return the checked cost of each decision, (K, K) float64, [truth][decided]."""
        k = len(class_names)
        if self.matrix is None:
            return 1.0 - np.eye(k)
        costs = self._named(class_names) if isinstance(self.matrix, dict) else self._listed(k)
        for t, truth in enumerate(class_names):
            for d, decided in enumerate(class_names):
                if costs[t, d] < costs[t, t]:
                    raise self._refused(
                        f"makes it cheaper to take '{truth}' for '{decided}' ({costs[t, d]:g}) than to get it right "
                        f"({costs[t, t]:g}). Costs are [truth][decided]"
                    )
        for d, decided in enumerate(class_names):
            for other in range(k):
                if other != d and (costs[:, other] <= costs[:, d]).all() and (costs[:, other] < costs[:, d]).any():
                    raise self._refused(
                        f"makes '{class_names[other]}' the cheaper decision whatever is true, so that '{decided}' "
                        "would never be decided. Costs are [truth][decided]"
                    )
        return costs

    def _listed(self, k: int) -> np.ndarray:
        rows = self.matrix if isinstance(self.matrix, list) else []
        if len(rows) != k or any(len(row) != k for row in rows):
            shape = f"{len(rows)} rows of {', '.join(sorted({str(len(row)) for row in rows})) or 'no'} numbers"
            raise self._refused(f"has {shape}, and {k} classes need {k} rows of {k}")
        return np.array(rows, dtype=np.float64)

    def _named(self, class_names: tuple[str, ...]) -> np.ndarray:
        costs = 1.0 - np.eye(len(class_names))
        table = self.matrix if isinstance(self.matrix, dict) else {}
        for truth, row in table.items():
            for name in (truth, *row):
                if name not in class_names:
                    raise self._refused(
                        f"names the class '{name}', which the data do not have.{did_you_mean(name, class_names)}"
                    )
            for decided, cost in row.items():
                costs[class_names.index(truth), class_names.index(decided)] = cost
        return costs

    def _refused(self, what: str) -> OptionError:
        end = "" if what.endswith(("?", ".")) else "."
        return OptionError(f"option 'matrix' of strategy '{self.name}' {what}{end}")
