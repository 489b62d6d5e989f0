"""Decision thresholds fitted on rows that the model has not seen."""

from __future__ import annotations

import math
import re
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from imbtk import DecisionRule, RunContext, Strategy, hookimpl, option, sensitivity_interval
from imbtk.errors import DataError, OptionError, did_you_mean
from imbtk_plugins.decisions.threshold.search import best_shift, cut_points, lead_of_others, resolution

__all__ = ["Threshold"]

_FLOOR = re.compile(r"(?P<name>.+?)\s*>=\s*(?P<least>[^>=\s]+)")
_METRIC = "balanced_accuracy"
_ROUNDING = 1e-12


class Threshold(Strategy):
    """Move decision thresholds to where a metric is best, or to where a class keeps the sensitivity that is asked for.

    Notes
    -----
    A class is decided by

        argmax_k (z_k + b_k)

    on the trained logits z. The shift b is fitted on validation rows; where ``stratified-split:folds=k`` cuts folds, on
    out-of-fold rows instead: all rows outside of the run's test side, each predicted by an inner model that has not
    seen it, which costs k - 1 more trainings. With `metric` b gives the best metric on these rows:
    ``balanced_accuracy`` the mean of the sensitivities, ``youden`` the mean over classes of sensitivity + specificity
    - 1 (for two classes the same thresholds), ``f1`` that of the positive class, or its mean over more than two,
    ``mcc`` Matthews' correlation. Every cut between two rows is tried for one class after the other, the rarest first,
    until nothing gets better (20 rounds at most, fewer with more than 150 classes): for two classes that is the best
    there is, for more a best that no single class can improve. Of cuts that are equally good the one nearest to the
    trained decision is taken.

    With ``floor="malignant>=0.95"`` (or ``positive>=0.95``, the positive one of two) only that class is shifted: to
    the best specificity whose sensitivity on these rows is at least the floor. On new rows it will be lower about as
    often as higher; with ``bound=lower-limit`` it is the lower 95 % limit of the sensitivity, which knows of groups,
    that reaches the floor, at the price of specificity. Both take the threshold as given, though it was chosen on the
    same rows, so they are a little too good, out of fold as well: the run's page says whether the floor held on test
    rows.

    Rows are told apart only where their logits differ in float32, the precision in which they are computed.

    Thresholds stay where they were fitted, whatever ``--deploy`` says of probabilities.

    When to use
    -----------
    Where a sensitivity has to be kept, or one metric is judged. Try it before another loss: it often does as much.

    Cost
    ----
    None on validation rows, but a few rare ones decide alone then.

    Not with
    --------
    A run has one decision: refused beside `cost`, `reject`, ``logit-adjust:mode=posthoc`` and ``--decide deploy``. A
    floor that no threshold reaches is refused, and so is a class without a row to fit on.

    Evidence
    --------
    ``imbtk compare`` sets the plain networks with their decision moved by the class frequencies beside every plan,
    since that often wins (``docs/compare.md``). No table of such comparisons was kept.

    References
    ----------
    Youden 1950, "Index for rating diagnostic tests", Cancer 3(1). Gorodkin 2004, "Comparing two K-category assignments
    by a K-category correlation coefficient", eq. 8 (``mcc``). Korn & Graubard 1998, "Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data", section 2 (limit of
    ``floor``).
    """

    metric: Literal["balanced_accuracy", "f1", "youden", "mcc"] = option(
        _METRIC, "Metric of the rows they are fitted on that the thresholds make largest."
    )
    floor: str | None = option(
        None, 'Instead of a metric, the least sensitivity that a class shall keep: "malignant>=0.95".'
    )

    bound: Literal["estimate", "lower-limit"] = option(
        "estimate", "What has to reach the floor: the sensitivity on these rows, or its lower 95 % limit."
    )

    @model_validator(mode="after")
    def _check_floor(self) -> Self:
        if self.floor is None and self.bound != "estimate":
            raise ValueError(f"bound={self.bound} says how a floor is met: give a floor as well")
        if self.floor is not None:
            self._parsed(self.floor)
            if self.metric != _METRIC:
                raise ValueError(f"'metric' and 'floor' are two ways to set thresholds: leave metric={self.metric} out")
        return self

    @staticmethod
    def _parsed(floor: str) -> tuple[str, float]:
        match = _FLOOR.fullmatch(floor.strip())
        try:
            least = float(match["least"]) if match else math.nan
        except ValueError:
            least = math.nan
        if match is None or not 0 < least < 1:
            raise ValueError(
                f'the floor {floor!r} is no class with a sensitivity between 0 and 1: write floor="malignant>=0.95"'
            )
        return match["name"].strip("\"'"), least

    def check_run(self, context: RunContext) -> None:
        """Refuse a floor for a class that there is not, before anything is trained.

        Raises
        ------
        OptionError
            With the nearest names.
        """
        if self.floor is not None and (name := self._of_class(context)[0]) not in context.class_names:
            raise OptionError(
                f"option 'floor' of strategy '{self.name}' names the class '{name}', which the data do not have."
                + did_you_mean(name, context.class_names)
            )

    def _of_class(self, context: RunContext) -> tuple[str, float]:
        """Return the floor's class and sensitivity; ``positive`` is the positive class where none has that name."""
        name, least = self._parsed(self.floor or "")
        if name == "positive" and name not in context.class_names and context.positive is not None:
            name = context.class_names[context.positive]
        return name, least

    @hookimpl
    def imbtk_decide(
        self, logits: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, context: RunContext
    ) -> DecisionRule:
        """Return the shifted rule.

        Raises
        ------
        DataError
            If a class that is needed has no row, or no threshold meets the floor.
        """
        names, counts = context.class_names, np.bincount(labels, minlength=context.num_classes)
        if self.floor is not None:
            name, least = self._of_class(context)
            k = names.index(name)
            self._need_rows([name] if not counts[k] else [], len(labels), context.decision_rows)
            shift = np.zeros(len(names))
            shift[k] = self._floor_cut(logits, labels, k, groups, (name, least), context.decision_rows)
            reaches = {"estimate": "a sensitivity", "lower-limit": "a sensitivity with a lower 95 % limit"}[self.bound]
            said = f"the best specificity with {reaches} of at least {least:g} for '{name}'"
            return DecisionRule("logits", shift, name=said, floor=(k, least))
        absent = [name for name, count in zip(names, counts, strict=True) if not count]
        self._need_rows(absent, len(labels), context.decision_rows)
        order = sorted(range(len(names)), key=lambda k: (counts[k], names[k]))
        shift = best_shift(logits, labels, self.metric, context.positive, order)
        return DecisionRule("logits", shift, name=f"thresholds with the best {self.metric.replace('_', ' ')}")

    def _need_rows(self, absent: list[str], rows: int, kind: str) -> None:
        if absent:
            named = ", ".join(f"'{name}'" for name in absent[:10])
            raise DataError(
                f"strategy '{self.name}' fits thresholds on the {rows} {kind}, and none of them is of class "
                f"{named}. Split with stratified-split, which puts every class on every side, or leave "
                f"'{self.name}' out."
            )

    def _floor_cut(
        self,
        logits: np.ndarray,
        labels: np.ndarray,
        k: int,
        groups: np.ndarray | None,
        floor: tuple[str, float],
        kind: str,
    ) -> float:
        """Return the smallest shift of class k whose sensitivity, or its lower limit, is at least the floor."""
        name, least = floor
        lead, mine = lead_of_others(logits, k), labels == k
        order = np.argsort(lead, kind="stable")
        ordered = lead[order]
        places = np.flatnonzero(~np.isnan(cuts := cut_points(ordered, resolution(logits)[order])))
        own_groups = None if groups is None else groups[mine]
        total, best = int(mine.sum()), 0.0
        hits = np.concatenate([[0], np.cumsum(mine[order])])
        for place in places[hits[places] >= least * total - _ROUNDING]:
            reached = hits[place] / total
            if self.bound == "lower-limit":
                reached = sensitivity_interval(lead[mine] <= cuts[place], own_groups)[0]
            if reached >= least - _ROUNDING:
                return float(cuts[place])
            best = max(best, reached)
        grouped = "" if own_groups is None else f" of {len(np.unique(own_groups))} groups"
        raise DataError(
            f"no threshold gives '{name}' a sensitivity whose lower 95 % limit is {least:g} on its {total} "
            f"{kind}{grouped}: the best reachable is {math.floor(best * 1000) / 1000:.3f}, with all of them found. "
            + _more_rows(kind)
        )


def _more_rows(kind: str) -> str:
    if kind != "validation rows":
        return "Ask for a lower floor, for the sensitivity itself (bound=estimate), or bring more data."
    return (
        "Ask for a lower floor, for the sensitivity itself (bound=estimate), for more validation rows "
        "(stratified-split:validation=0.3), or for out-of-fold rows, which takes more trainings "
        "(stratified-split:folds=5)."
    )
