"""The chain of ``imbtk_calibrate``: tried in the dry run, folded after it, each link checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from imbtk.authoring.context import RunContext
from imbtk.authoring.contracts import calibrate_fault
from imbtk.authoring.prediction import CalibrationMap
from imbtk.planning.dispatch import Dispatcher, wrong_result
from imbtk.planning.plan import PlanItem

__all__ = ["calibration_chain", "dry_run_calibration", "ordinary_logits"]

_HOOK = "imbtk_calibrate"


def calibration_chain(
    items: Sequence[PlanItem], start: CalibrationMap, logits: np.ndarray, labels: np.ndarray, context: RunContext
) -> CalibrationMap:
    """Return the map that strategies make of `start`, one after the other.

    Parameters
    ----------
    items : sequence of PlanItem
    start : CalibrationMap
    logits : ndarray of float64, shape (n, K)
        Of validation rows.
    labels : ndarray of int64, shape (n,)
    context : RunContext

    Raises
    ------
    PluginError
        If a strategy returns no map, or one that cannot be used or saved; it is named.
    """

    def check(result: Any, item: PlanItem) -> CalibrationMap:
        if fault := calibrate_fault(result, logits, context.num_classes):
            raise wrong_result(item, _HOOK, fault)
        return result  # type: ignore[no-any-return]

    made: CalibrationMap = Dispatcher(items).chain(
        _HOOK, "map", start, check, logits=logits, labels=labels, context=context
    )
    return made


def dry_run_calibration(items: Sequence[PlanItem], labels: np.ndarray, context: RunContext) -> None:
    """Refuse, before anything is trained, a calibration that cannot be made on these validation rows.

    Strategies are asked on copies, with :func:`ordinary_logits`. Without validation rows nothing can be tried.

    Parameters
    ----------
    items : sequence of PlanItem
    labels : ndarray of int64, shape (n,)
        Of validation rows.
    context : RunContext

    Raises
    ------
    ImbtkError
        As a strategy says, or if it returns something else than a map.
    """
    copies = [item.copy() for item in items]
    if len(labels):
        logits = ordinary_logits(labels, context.num_classes)
        calibration_chain(copies, CalibrationMap(1.0, np.zeros(context.num_classes)), logits, labels, context)


def ordinary_logits(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return made-up logits (n, K) float64 as a fair model gives them: often right, seldom sure, always the same."""
    logits = np.random.default_rng(0).normal(size=(len(labels), num_classes))
    logits[np.arange(len(labels)), labels] += 1.5
    return logits
