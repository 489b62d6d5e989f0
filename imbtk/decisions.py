"""How a run picks a class: rehearsed before training, fitted on validation rows, and what ``decision.json`` says."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imbtk.calibration_chain import ordinary_logits
from imbtk.context import RunContext
from imbtk.dispatch import Dispatcher, wrong_result
from imbtk.errors import ImbtkError, OptionError, PluginError
from imbtk.evaluation.intervals import sensitivity_interval
from imbtk.evaluation.operating import risk_coverage
from imbtk.plan import PlanItem
from imbtk.prediction import ABSTAIN, CalibrationMap, DecisionRule

if TYPE_CHECKING:
    from imbtk.preparation import PreparedRun

__all__ = ["Decision", "choose_decision", "decide", "decision_document", "rehearse_decision"]

SCHEMA_VERSION = 1

Logits = Mapping[str, np.ndarray]

_FITTING = ("logits", "probabilities", "labels")
"""Arguments of ``imbtk_decide`` that show validation rows: a hook that takes none of them has fitted nothing."""

_DEPLOY = "the most probable class at the deployment prior"

_SURE = 20.0
"""Logit of the true class in the rehearsal."""


@dataclass(frozen=True)
class Decision:
    """A rule and who made it.

    Attributes
    ----------
    rule : DecisionRule
    by : PlanItem, optional
        None: core, as trained or by ``--decide deploy``.
    """

    rule: DecisionRule
    by: PlanItem | None = None

    @property
    def fitted(self) -> bool:
        """Whether the rule rests on validation rows."""
        if self.by is None:
            return False
        hook = type(self.by.strategy).imbtk_decide  # type: ignore[attr-defined]
        return any(name in inspect.signature(hook).parameters for name in _FITTING)


def rehearse_decision(
    items: Sequence[PlanItem], wanted: str, labels: np.ndarray, groups: np.ndarray | None, context: RunContext
) -> str:
    """Refuse, before anything is trained, a decision that cannot be made on these validation rows.

    Strategies are asked on copies, with the logits of a model that knows every row: what fails even then (a floor that
    too few patients can show, a class without a row, two strategies that both decide) fails with any model.

    Parameters
    ----------
    items : sequence of PlanItem
    wanted : "trained" or "deploy"
        The option ``decide``.
    labels : ndarray of int64, shape (n,)
        Of validation rows.
    groups : ndarray of int64, shape (n,), optional
    context : RunContext

    Returns
    -------
    str
        How a class is going to be picked, for people.

    Raises
    ------
    ConflictError, DataError, OptionError
        As the strategies say, or if one of them decides beside ``--decide deploy``.
    PluginError
        If a strategy fails, or returns no rule, with ordinary logits too.
    """

    def asked(logits: np.ndarray) -> Decision | None:
        copies = [dataclasses.replace(item, strategy=item.strategy.clone()) for item in items]
        return _asked(copies, logits, CalibrationMap().probabilities(logits), labels, groups, context)

    try:
        found = asked(_SURE * (labels[:, None] == np.arange(context.num_classes)).astype(np.float64))
    except PluginError:
        # Perfect logits may be more than a strategy can take, but one that fails on ordinary ones too will fail.
        try:
            found = asked(ordinary_logits(labels, context.num_classes)) if len(labels) else None
        except PluginError:
            raise
        except ImbtkError:  # what cannot be done with a fair model may be done with the one to come
            found = None
        if found is None:
            return "by a strategy"
    if found is not None and wanted == "deploy":
        raise OptionError(
            f"'{found.by}' decides, and --decide deploy as well: leave one of them out. With --decide deploy the most "
            "probable class at the deployment prior is picked, and no strategy is asked."
        )
    if found is None:
        return _DEPLOY if wanted == "deploy" else DecisionRule().name
    return f"by {found.by}" + (", fitted on validation rows" if found.fitted else "")


def decide(prepared: PreparedRun, logits: np.ndarray, calibration: CalibrationMap) -> Decision:
    """Return how a class is picked, fitted on validation rows: as trained, unless user or strategy say otherwise.

    Parameters
    ----------
    prepared : PreparedRun
    logits : ndarray of float64, shape (n, K)
        Of the validation rows.
    calibration : CalibrationMap
        At the deployment prior.

    Raises
    ------
    ImbtkError
        If two strategies decide, or one of them cannot.
    """
    if prepared.config.decide == "deploy":
        return Decision(DecisionRule("probabilities", name=_DEPLOY))
    rows = prepared.split.validation
    groups = prepared.dataset.known_groups(rows)
    found = _asked(
        prepared.plan.items,
        logits,
        calibration.probabilities(logits),
        prepared.dataset.labels[rows].numpy(),
        None if groups is None else groups.numpy(),
        prepared.phases[-1].context,
    )
    return Decision(DecisionRule()) if found is None else found


def choose_decision(prepared: PreparedRun, logits: np.ndarray, calibration: CalibrationMap) -> DecisionRule:
    """Return the rule alone; see :func:`decide`."""
    return decide(prepared, logits, calibration).rule


def _asked(
    items: Sequence[PlanItem],
    logits: np.ndarray,
    probabilities: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    context: RunContext,
) -> Decision | None:
    answer = Dispatcher(items).choice(
        "imbtk_decide", logits=logits, probabilities=probabilities, labels=labels, groups=groups, context=context
    )
    if answer is None:
        return None
    rule, item = answer
    if not isinstance(rule, DecisionRule):
        raise wrong_result(item, "imbtk_decide", f"{type(rule).__name__}, not a DecisionRule,")
    if fault := rule.fault(context.num_classes):
        raise wrong_result(item, "imbtk_decide", f"a DecisionRule with {fault}")
    return Decision(rule, item)


def decision_document(
    prepared: PreparedRun, decision: Decision, calibration: CalibrationMap, logits: Logits
) -> dict[str, Any]:
    """Return what ``decision.json`` holds: the rule, what it was fitted on, and whether it keeps what it was to keep.

    Parameters
    ----------
    prepared : PreparedRun
    decision : Decision
    calibration : CalibrationMap
    logits : mapping of str to ndarray (n, K)
        Of validation and test rows.
    """
    dataset, rule = prepared.dataset, decision.rule
    sides = {"validation": prepared.split.validation, "test": prepared.split.test}
    units = {}
    for side, rows in sides.items():
        groups = dataset.known_groups(rows)
        units[side] = _Units(
            rule,
            logits[side],
            calibration.probabilities(logits[side]),
            dataset.labels[rows].numpy(),
            None if groups is None else groups.numpy(),
        )
    fitted = units["validation"] if decision.fitted else None
    return {
        "schema_version": SCHEMA_VERSION,
        "class_names": list(dataset.class_names),
        "name": rule.name,
        "by": None if decision.by is None else str(decision.by),
        "on": rule.on if rule.cost is None else "probabilities",
        "fitted_on": None if fitted is None else "validation rows",
        "rows": None if fitted is None else len(fitted.labels),
        "groups": None if fitted is None or fitted.groups is None else len(np.unique(fitted.groups)),
        "rule": rule.to_json(),
        "floor": None if rule.floor is None else _floor(rule.floor, dataset.class_names, units),
        "reject": None if rule.reject_below is None else _reject(rule.reject_below, units),
    }


@dataclass(frozen=True)
class _Units:
    """The rows of one side as a rule sees them."""

    rule: DecisionRule
    logits: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None

    @property
    def decided(self) -> np.ndarray:
        return self.rule.decide(self.logits, self.probabilities)

    def sensitivity(self, k: int) -> dict[str, Any] | None:
        """Return the sensitivity of class k over decided rows with its interval, None where there is no such row."""
        decided = self.decided
        of_class = (self.labels == k) & (decided != ABSTAIN)
        if not of_class.any():
            return None
        found = decided[of_class] == k
        groups = None if self.groups is None else self.groups[of_class]
        return {
            "value": float(found.mean()),
            "interval": list(sensitivity_interval(found, groups)),
            "n": len(found),
            "groups": None if groups is None else len(np.unique(groups)),
        }


def _floor(floor: tuple[int, float], class_names: Sequence[str], units: Mapping[str, _Units]) -> dict[str, Any]:
    k, least = floor
    test = units["test"].sensitivity(k)
    return {
        "class": class_names[k],
        "floor": least,
        "validation": units["validation"].sensitivity(k),
        "test": test,
        "held_on_test": None if test is None else test["value"] >= least,
        "confirmed_on_test": None if test is None else test["interval"][0] >= least,
    }


def _reject(reject_below: float, units: Mapping[str, _Units]) -> dict[str, Any]:
    document: dict[str, Any] = {"reject_below": reject_below, "share": {}, "risk_coverage": {}}
    for side, unit in units.items():
        if not len(unit.labels):
            continue
        document["share"][side] = float((unit.decided == ABSTAIN).mean())
        right = unit.rule.forced(unit.logits, unit.probabilities) == unit.labels
        coverage, risk = risk_coverage(right, unit.rule.confidence(unit.logits, unit.probabilities))
        document["risk_coverage"][side] = {"coverage": coverage.tolist(), "risk": risk.tolist()}
    return document
