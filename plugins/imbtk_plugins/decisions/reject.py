"""Leave unsure rows to a human."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from imbtk import DecisionRule, Strategy, hookimpl, option
from imbtk.errors import DataError

__all__ = ["Reject"]


class Reject(Strategy):
    """Abstain on the share `rate` of rows of which the model is least sure.

    Notes
    -----
    A row is left open where the largest share in

    - softmax(z), z the trained logits (``decide=trained``: classes are picked as the strategies trained them)
    - the calibrated probabilities at the deployment prior (``decide=deploy``: the most probable class is picked)

    is below a threshold: halfway between the ⌊rate · n⌋-th smallest of n rows and the next. These are the validation
    rows, or all out-of-fold rows where ``stratified-split:folds=k`` cuts folds. New rows are left open at about that
    rate if they are like these; at another one where they are not, which is a sign worth looking at. Among all rules
    that leave as many rows open this one makes the fewest errors, if the probabilities are right. With
    ``decide=trained`` errors count as the strategies weighted them: a row between two classes is unsure on both sides
    of the border, so that no class is left open for being rare.

    The run's page draws the errors that are left against the share of rows that is decided.

    When to use
    -----------
    Where a human sees the rows that are left open, and errors among the others are what counts.

    Cost
    ----
    None beside the rows left open; the inner models of ``folds=k`` where these are asked for.

    Not with
    --------
    A run has one decision: refused beside `threshold`, `cost`, ``logit-adjust:mode=posthoc`` and ``--decide deploy``. A
    rate of less than one of the rows that it is fitted on is refused.

    Evidence
    --------
    That no other choice of as many rows is expected to leave fewer errors is a theorem, given right probabilities (Chow
    1970). Nothing was measured here.

    References
    ----------
    Chow 1970, "On optimum recognition error and reject tradeoff", IEEE Transactions on Information Theory 16(1), eq. 2.
    """

    rate: float = option(0.1, "Share of rows to leave open, as a fraction.", gt=0, lt=1)
    decide: Literal["trained", "deploy"] = option(
        "trained", "How the other rows are decided: as trained, or the most probable class at the deployment prior."
    )

    @hookimpl
    def imbtk_decide(self, logits: np.ndarray, probabilities: np.ndarray) -> DecisionRule:
        """Return the rule that abstains below a quantile of the confidence in rows that the model has not seen.

        Raises
        ------
        DataError
            If the rate is less than one row.
        """
        left_open = int(self.rate * len(logits) + 1e-9)
        if not left_open:
            raise DataError(
                f"rate={self.rate:g} of strategy '{self.name}' is less than one of {len(logits)} rows that it is "
                "fitted on (validation or out-of-fold rows), so no threshold can be set. Take a larger rate, or a "
                "larger validation side."
            )
        on = "logits" if self.decide == "trained" else "probabilities"
        rule = DecisionRule(on, name=f"{self._decided()}, the least sure {100 * self.rate:g} % left open")
        sure = np.sort(rule.confidence(logits, probabilities))
        return replace(rule, reject_below=float(sure[left_open - 1 : left_open + 1].mean()))

    def _decided(self) -> str:
        return "as trained" if self.decide == "trained" else "the most probable class at the deployment prior"
