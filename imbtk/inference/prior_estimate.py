"""Class frequencies of new data, estimated with a trained run, and what speaks for and against the estimate."""

from __future__ import annotations

from typing import Any

import numpy as np

from imbtk.evaluation.prior_shift import PriorShiftTest, compare_confidence, estimate_prior
from imbtk.inference.predictor import Predictor
from imbtk.models.saving import read_description
from imbtk.runs.reading import RunRecord

__all__ = ["ASSUMPTION", "prior_document"]

ASSUMPTION = (
    "The estimate assumes that only class frequencies differ from the data of the training: that within each class new "
    "rows look like those. Another scanner, stain or population breaks that, and the estimate with it."
)
_CHANCE = 0.01
_DECIMALS = 4


def prior_document(
    record: RunRecord, predictor: Predictor, logits: np.ndarray, groups: np.ndarray | None, labels: np.ndarray | None
) -> dict[str, Any]:
    """Return the estimated class frequencies, the check of their assumption, and the true ones where labels say them.

    Parameters
    ----------
    record : RunRecord
        The run, whose labelled test rows (validation rows without them) the new ones are compared with.
    predictor : Predictor
    logits : ndarray of float64, shape (N, K)
        Of the new rows.
    groups : ndarray of int64, shape (N,), optional
    labels : ndarray of int64, shape (N,), optional
    """
    natural = np.asarray(predictor.description["natural_prior"], dtype=np.float64)
    at_natural = predictor.at_deployment("natural").calibration.probabilities(logits)
    found = estimate_prior(at_natural, natural, groups)
    true = None if labels is None else np.bincount(labels, minlength=len(natural)) / len(labels)
    classes = [
        {
            "name": name,
            "in_training": float(natural[k]),
            "estimate": float(found.prior[k]),
            "interval": None if np.isnan(found.intervals[k]).any() else found.intervals[k].tolist(),
            "in_data": None if true is None else float(true[k]),
        }
        for k, name in enumerate(predictor.class_names)
    ]
    compared = _compared(record, natural, at_natural, groups, found.prior)
    return {
        "assumption": ASSUMPTION,
        "classes": classes,
        "deploy": _as_option(predictor.class_names, found.prior),
        "unchanged": {"statistic": found.statistic, "p_value": found.p_value},
        "confidence": None
        if compared is None
        else {"seen": compared.seen, "expected": compared.expected, "z": compared.z, "p_value": compared.p_value},
        "doubtful": compared is not None and compared.p_value < _CHANCE,
    }


def _compared(
    record: RunRecord, natural: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None, prior: np.ndarray
) -> PriorShiftTest | None:
    side = record.predictions.get("test") or record.predictions.get("validation")
    if side is None or not len(side.truth):
        return None
    # The run's own predictions are at its deployment prior.
    deployed = np.asarray(read_description(record.folder / "model")["deployment_prior"], dtype=np.float64)
    reference = side.probabilities * natural / np.where(deployed > 0, deployed, 1.0)
    reference /= reference.sum(axis=1, keepdims=True)
    return compare_confidence(probabilities, groups, reference, side.truth, side.group_numbers, prior)


def _as_option(class_names: tuple[str, ...], prior: np.ndarray) -> str:
    """Return frequencies as ``--deploy`` takes them: rounded, above 0, summing to one."""
    step = 10**_DECIMALS
    parts = np.maximum(np.round(prior * step), 1).astype(np.int64)
    parts[np.argmax(parts)] += step - parts.sum()
    return ",".join(f"{name}={part / step:g}" for name, part in zip(class_names, parts, strict=True))
