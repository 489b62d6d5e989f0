"""How a run picks a class: tried in the dry run, fitted on unseen rows, and what ``decision.json`` says."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from imbtk.authoring.context import RunContext
from imbtk.authoring.contracts import decide_fault
from imbtk.authoring.prediction import ABSTAIN, CalibrationMap, DecisionRule
from imbtk.calibration.chain import ordinary_logits
from imbtk.errors import ImbtkError, OptionError, PluginError
from imbtk.evaluation.intervals import sensitivity_interval
from imbtk.evaluation.operating import risk_coverage
from imbtk.planning.dispatch import Dispatcher, wrong_result
from imbtk.planning.plan import PlanItem
from imbtk.runs.format import DECISION

if TYPE_CHECKING:
    import torch

    from imbtk.data.dataset import Dataset
    from imbtk.planning.prepared import PreparedRun

__all__ = [
    "OUT_OF_FOLD",
    "VALIDATION",
    "Decision",
    "DecisionDryRun",
    "decide",
    "decision_document",
    "dry_run_decision",
]

VALIDATION: Literal["validation rows"] = "validation rows"
OUT_OF_FOLD: Literal["out-of-fold rows"] = "out-of-fold rows"
"""Rows that each were predicted by a model of the same plan that had not seen them."""

Logits = Mapping[str, np.ndarray]

_FITTING = ("logits", "probabilities", "labels")
"""Arguments of ``imbtk_decide`` that show rows: a hook that takes none of them has fitted nothing."""

_STATED = {
    "trained": DecisionRule().name,
    "deploy": "the most probable class at the deployment prior",
    "balanced": "the class with the largest probability over its frequency",
}
"""How a class is picked where no strategy says so, by the option ``decide``, for people."""

_SURE = 20.0
"""Logit of the true class in the dry run."""


@dataclass(frozen=True)
class Decision:
    """A rule and who made it.

    Attributes
    ----------
    rule : DecisionRule
    by : PlanItem, optional
        None: core, as trained or by ``--decide deploy``.
    sets_by : PlanItem, optional
        Who made the sets of the rule, where it has them.
    """

    rule: DecisionRule
    by: PlanItem | None = None
    sets_by: PlanItem | None = None

    @property
    def fitted(self) -> bool:
        """Whether the rule, its sets aside, rests on rows that it was fitted on."""
        return self.by is not None and _fits(self.by)

    @property
    def sets_fitted(self) -> bool:
        """Whether the sets rest on rows that they were fitted on."""
        return self.sets_by is not None and _fits(self.sets_by)


@dataclass(frozen=True)
class DecisionDryRun:
    """What is known of a decision before training.

    Attributes
    ----------
    words : str
        How a class is going to be picked, for people.
    fitted : bool
        Whether it will be fitted on rows.
    """

    words: str
    fitted: bool = False


def _fits(item: PlanItem) -> bool:
    hook = type(item.strategy).imbtk_decide  # type: ignore[attr-defined]
    return any(name in inspect.signature(hook).parameters for name in _FITTING)


def dry_run_decision(
    items: Sequence[PlanItem], wanted: str, labels: np.ndarray, groups: np.ndarray | None, context: RunContext
) -> DecisionDryRun:
    """Refuse, before anything is trained, a decision that cannot be made on these rows.

    Strategies are asked on copies, with the logits of a model that knows every row: what fails even then (a floor that
    too few patients can show, a class without a row, two strategies that both decide) fails with any model.

    Parameters
    ----------
    items : sequence of PlanItem
    wanted : "trained", "deploy" or "balanced"
        The option ``decide``.
    labels : ndarray of int64, shape (n,)
        Of the rows that it will be fitted on.
    groups : ndarray of int64, shape (n,), optional
    context : RunContext

    Returns
    -------
    DecisionDryRun

    Raises
    ------
    ConflictError, DataError, OptionError
        As the strategies say, or if one of them decides beside ``--decide deploy``.
    PluginError
        If a strategy fails, or returns no rule, with ordinary logits too.
    """

    def asked(logits: np.ndarray) -> Decision | None:
        if not Dispatcher(items).answering("imbtk_decide"):
            return None
        copies = [item.copy() for item in items]
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
            answering = Dispatcher(items).answering("imbtk_decide")
            return DecisionDryRun("by a strategy", any(map(_fits, answering)))
    if found is not None and found.by is not None and wanted != "trained":
        raise OptionError(
            f"'{found.by}' decides, and --decide {wanted} as well: leave one of them out. With --decide {wanted} "
            f"{_STATED[wanted]} is picked, and no strategy decides."
        )
    if found is None:
        return DecisionDryRun(_STATED[wanted])
    words = _STATED[wanted] if found.by is None else f"by {found.by}"
    if found.sets_by not in (None, found.by):
        words += f", sets by {found.sets_by}"
    return DecisionDryRun(words, found.fitted or found.sets_fitted)


def decide(prepared: PreparedRun, logits: np.ndarray, calibration: CalibrationMap) -> Decision:
    """Return how a class is picked: as trained, unless user or strategy say otherwise.

    Parameters
    ----------
    prepared : PreparedRun
    logits : ndarray of float64, shape (n, K)
        Of ``prepared.decision_rows``: validation rows, or out-of-fold rows where there are inner models.
    calibration : CalibrationMap
        At the deployment prior.

    Raises
    ------
    ImbtkError
        If two strategies decide, or one of them cannot.
    """
    wanted, stated = prepared.model.config.decide, DecisionRule()
    if wanted != "trained":
        shift = None if wanted == "deploy" else -np.log(np.maximum(prepared.plan.deployment, np.finfo(float).tiny))
        stated = DecisionRule("probabilities", shift, name=_STATED[wanted])
    rows = prepared.decision_rows
    groups = prepared.data.dataset.known_groups(rows)
    kind = OUT_OF_FOLD if prepared.decision_models else VALIDATION
    found = _asked(
        prepared.plan.strategies.items,
        logits,
        calibration.probabilities(logits),
        prepared.data.dataset.labels[rows].numpy(),
        None if groups is None else groups.numpy(),
        dataclasses.replace(prepared.plan.phases[-1].context, decision_rows=kind),
    )
    if found is not None and found.by is not None and wanted == "trained":
        return found
    if found is None or found.rule.sets is None:
        return Decision(stated)
    return Decision(stated.joined(found.rule), None, found.sets_by)


def _asked(
    items: Sequence[PlanItem],
    logits: np.ndarray,
    probabilities: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    context: RunContext,
) -> Decision | None:
    """Return what the strategies answer, the rule of sets joined to the one that decides; `by` is None without that."""
    dispatcher, hook = Dispatcher(items), "imbtk_decide"
    answers = dispatcher.collect(
        hook, logits=logits, probabilities=probabilities, labels=labels, groups=groups, context=context
    )
    for rule, item in answers:
        if fault := decide_fault(rule, context.num_classes):
            raise wrong_result(item, hook, fault)
    decides = dispatcher.only(hook, [(rule, item) for rule, item in answers if not rule.only_sets])
    sets = dispatcher.only(hook, [(rule, item) for rule, item in answers if rule.sets is not None])
    if decides is None:
        return None if sets is None else Decision(sets[0], None, sets[1])
    rule, item = decides
    if sets is None or sets[1] is item:
        return Decision(rule, item, None if sets is None else item)
    return Decision(rule.joined(sets[0]), item, sets[1])


def decision_document(
    prepared: PreparedRun,
    decision: Decision,
    calibration: CalibrationMap,
    logits: Logits,
    fitted_on: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return what ``decision.json`` holds: the rule, what it was fitted on, and whether it keeps what it was to keep.

    Parameters
    ----------
    prepared : PreparedRun
    decision : Decision
    calibration : CalibrationMap
    logits : mapping of str to ndarray (n, K)
        Of ``prepared.judged``.
    fitted_on : ndarray of float64, shape (n, K), optional
        The logits of ``prepared.decision_rows``, where these are out-of-fold rows.
    """
    sides = {side: (rows, logits[side]) for side, rows in prepared.judged.items()}
    if prepared.inner and fitted_on is not None:
        sides = {"out_of_fold": (prepared.decision_rows, fitted_on), **sides}
    units = {
        side: _units(prepared.data.dataset, decision.rule, calibration, rows, of_rows)
        for side, (rows, of_rows) in sides.items()
    }
    class_names, rule = list(prepared.data.dataset.class_names), decision.rule
    return {
        "schema_version": DECISION.schema,
        "class_names": class_names,
        "name": rule.name,
        "by": None if decision.by is None else str(decision.by),
        "on": rule.on if rule.cost is None else "probabilities",
        **_evidence(decision.fitted, units, prepared),
        "rule": rule.to_json(),
        "floor": None if rule.floor is None else _floor(rule.floor, class_names, units),
        "reject": None if rule.reject_below is None else _reject(rule.reject_below, units),
        "sets": None if rule.sets is None else _sets(prepared, decision, class_names, units),
    }


def _sets(
    prepared: PreparedRun, decision: Decision, class_names: Sequence[str], units: Mapping[str, _Units]
) -> dict[str, Any]:
    evidence = _evidence(decision.sets_fitted, units, prepared)
    stopped = prepared.model.config.early_stop not in (None, "none")
    why = ""
    if evidence["fitted_on"] == OUT_OF_FOLD:
        why = "the rows were predicted by other models than the one that predicts now"
    elif evidence["fitted_on"] == VALIDATION and stopped:
        why = "early stopping chose the model by the very rows that the sets were fitted on"
    return {
        "by": str(decision.sets_by),
        **evidence,
        "always": [class_names[k] for k in np.flatnonzero(np.isposinf(np.asarray(decision.rule.sets))).tolist()],
        "inexact": why or None,
    }


def _evidence(fitted: bool, units: Mapping[str, _Units], prepared: PreparedRun) -> dict[str, Any]:
    """Return which rows were fitted on, how many of how many groups, and how many models predicted them."""
    if not fitted:
        return {"fitted_on": None, "rows": None, "groups": None, "inner_models": 0}
    models = prepared.decision_models
    unit = units["out_of_fold" if models else "validation"]
    return {
        "fitted_on": OUT_OF_FOLD if models else VALIDATION,
        "rows": len(unit.labels),
        "groups": None if unit.groups is None else len(np.unique(unit.groups)),
        "inner_models": models,
        **({"of_members": True} if prepared.covered else {}),
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


def _units(
    dataset: Dataset, rule: DecisionRule, calibration: CalibrationMap, rows: torch.Tensor, logits: np.ndarray
) -> _Units:
    groups = dataset.known_groups(rows)
    return _Units(
        rule,
        logits,
        calibration.probabilities(logits),
        dataset.labels[rows].numpy(),
        None if groups is None else groups.numpy(),
    )


def _floor(floor: tuple[int, float], class_names: Sequence[str], units: Mapping[str, _Units]) -> dict[str, Any]:
    k, least = floor
    known = {side: unit.sensitivity(k) for side, unit in units.items()}
    test = known.get("test")
    return {
        "class": class_names[k],
        "floor": least,
        "out_of_fold": known.get("out_of_fold"),
        "validation": known.get("validation"),
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
