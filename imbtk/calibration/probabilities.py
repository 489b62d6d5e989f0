"""How the logits of a trained run become probabilities, and the record of it that ``calibration.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.special import chdtrc

from imbtk.authoring.prediction import CalibrationMap
from imbtk.calibration.chain import calibration_chain
from imbtk.calibration.fit import LedgerFit, calibration_metrics, fit_to_ledger, ledger_shift, prior_weights
from imbtk.planning.defaults import STOP_BY
from imbtk.planning.deployment import deployed
from imbtk.planning.dispatch import Dispatcher
from imbtk.planning.prepared import PreparedRun, RunPlan
from imbtk.runs.format import CALIBRATION

__all__ = ["calibrate", "calibration_document", "fit_ledger", "why_inexact"]

CHANCE = 1e-3
"""Class frequencies of a side that are less likely than this under the natural prior are not put down to chance."""

_OUTSIDE = {
    "imbtk_objective": "judges more than the criterion on the rows as they are drawn",
    "imbtk_partner": "shows second rows beside those of the order",
    "imbtk_finish": "changes the network after it was trained",
    "imbtk_refit": "refits the head after training",
    "imbtk_head": "makes the head",
}
"""Hooks whose strategies move the class frequencies that a network believes in, the ledger knows not how."""

Logits = Mapping[str, np.ndarray]


def why_inexact(plan: RunPlan) -> str | None:
    """Return why the ledger is no exact guide to what the network believes; None if in theory it is."""
    dispatcher = Dispatcher(plan.strategies.items)
    for hook, what in _OUTSIDE.items():
        if found := dispatcher.answering(hook):
            return f"'{found[0].strategy.name}' {what}"
    priors = []
    for phase in plan.phases:
        stretch = phase.planned.phase
        if phase.ledger.effective is None:
            return f"what epochs {stretch.start}-{stretch.stop} make of the class frequencies is not known beforehand"
        if not phase.exact:
            return f"epochs {stretch.start}-{stretch.stop} train something else than cross-entropy with shifts"
        priors.append(phase.ledger.effective)
    # A network that saw two priors is somewhere between them, however long the last one was.
    if any(not torch.allclose(prior, priors[-1], rtol=0.05, atol=1e-9) for prior in priors):
        return "phases differ in the class frequencies that they show"
    return None


def fit_ledger(prepared: PreparedRun, logits: np.ndarray) -> LedgerFit:
    """Return core's calibration at the natural prior, fitted on the logits (n, K) of the validation rows."""
    natural, effective = _priors(prepared.plan)
    rows = prepared.calibration_rows
    labels, groups = prepared.data.dataset.labels[rows].numpy(), prepared.data.dataset.known_groups(rows)
    return fit_to_ledger(
        logits,
        labels,
        natural,
        effective,
        exact=why_inexact(prepared.plan) is None,
        groups=None if groups is None else groups.numpy(),
        chose_epoch=prepared.model.config.early_stop == STOP_BY,
    )


def calibrate(prepared: PreparedRun, fit: LedgerFit, logits: np.ndarray) -> CalibrationMap:
    """Return the calibration map at the deployment prior, after the plan's strategies had their say.

    Parameters
    ----------
    prepared : PreparedRun
    fit : LedgerFit
        Where the chain of ``imbtk_calibrate`` begins.
    logits : ndarray of float64, shape (n, K)
        Of the validation rows.

    Raises
    ------
    PluginError
        If a strategy returns something else than a map.
    """
    natural = calibration_chain(
        prepared.plan.strategies.items,
        fit.map,
        logits,
        prepared.data.dataset.labels[prepared.calibration_rows].numpy(),
        prepared.plan.phases[-1].context,
    )
    return deployed(natural, _priors(prepared.plan)[0], prepared.plan.deployment)


def calibration_document(
    prepared: PreparedRun, fit: LedgerFit, calibration: CalibrationMap, logits: Logits
) -> dict[str, Any]:
    """Return what ``calibration.json`` holds: the ledger's shift, the measured one, and metrics before and after.

    Parameters
    ----------
    prepared : PreparedRun
    fit : LedgerFit
    calibration : CalibrationMap
        At the deployment prior.
    logits : mapping of str to ndarray (n, K)
        Of ``prepared.judged``.

    Notes
    -----
    Shifts have mean 0 over the classes, since a number that is common to all of them changes nothing. Metrics are at
    the deployment prior: where a side has other class frequencies, its rows are weighted, and ``weighted`` says so.
    """
    natural, effective = _priors(prepared.plan)
    by = [str(item) for item in Dispatcher(prepared.plan.strategies.items).answering("imbtk_calibrate")]
    reason = why_inexact(prepared.plan)
    document: dict[str, Any] = {
        "schema_version": CALIBRATION.schema,
        "class_names": list(prepared.data.dataset.class_names),
        "method": ", then ".join(by) or "the ledger, drawn by validation rows",
        "rows": len(prepared.calibration_rows),
        "exact": reason is None,
        "reason": reason,
        "natural_prior": natural.tolist(),
        "effective_prior": effective.tolist(),
        "deployment_prior": prepared.plan.deployment.tolist(),
        "ledger_shift": _centred(ledger_shift(natural, effective)),
        "measured_shift": _centred(fit.measured),
        "shift": _centred(calibration.shift if calibration.shift is not None else np.zeros(len(natural))),
        "temperature": 1.0 / calibration.scale,
        "design_effect": fit.design_effect,
        "spread": fit.spread,
        "temperature_spread": fit.temperature_spread,
        "weighted": {},
        "before": {},
        "after": {},
    }
    for side, rows in prepared.judged.items():
        labels = prepared.data.dataset.labels[rows].numpy()
        weights = _figure_weights(labels, natural, prepared.plan.deployment)
        document["weighted"][side] = weights is not None
        for when, used in (("before", CalibrationMap()), ("after", calibration)):
            figures = calibration_metrics(labels, used.probabilities(logits[side]), weights) if len(labels) else None
            document[when][side] = figures
    return document


def _priors(plan: RunPlan) -> tuple[np.ndarray, np.ndarray]:
    """Return the natural prior and what the last phase makes the network believe, the best guess if that is unknown."""
    ledger = plan.phases[-1].ledger
    return ledger.natural.numpy(), ledger.believed.numpy()


def _figure_weights(labels: np.ndarray, natural: np.ndarray, deployment: np.ndarray) -> np.ndarray | None:
    """Return row weights that bring a side to the deployment prior; None where only chance parts them."""
    counts = np.bincount(labels, minlength=len(natural))
    if not len(labels):
        return None
    if np.array_equal(natural, deployment):
        expected = natural * len(labels)
        possible = expected > 0
        strange = bool(counts[~possible].any())
        if not strange and _chance(counts[possible], expected[possible]) > CHANCE:
            return None
    return prior_weights(labels, deployment)


def _chance(counts: np.ndarray, expected: np.ndarray) -> float:
    """Return how likely counts this far from the expected ones are, by Pearson's chi-squared statistic."""
    return float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum()))


def _centred(shift: np.ndarray) -> list[float]:
    return [float(value) for value in shift - shift.mean()]
