"""The section on calibration: what the ledger said, what was measured, and metrics before and after."""

from __future__ import annotations

from typing import Any

from imbtk.evaluation.metric_table import OVERALL_METRICS
from imbtk.report.blocks import Block, Cell, Details, Section, Table, Text, name_cell
from imbtk.report.palette import class_colours
from imbtk.runs.format import CALIBRATION
from imbtk.runs.reading import RunRecord
from imbtk.wording import NO_METRIC, one_line, per_cent, plural

__all__ = ["calibration_section"]

FIGURES = ("log_loss", "brier", "ece", "classwise_ece")
"""Metrics of ``calibration.json``."""


def calibration_section(record: RunRecord) -> Section:
    """Return how logits became probabilities.

    Raises
    ------
    RunFolderError
        If ``calibration.json`` cannot be read or is from a newer imbtk.
    """
    found = _read(record)
    if found is None:
        return Section("Calibration", "calibration", (Text("The run kept no record of its calibration.", "quiet"),))
    blocks: list[Block] = [Text(_intro(record, found)), _metric_table(found, record.metrics.get("positive_class"))]
    if any(found["weighted"].values()):
        sides = " and ".join(side for side, weighted in found["weighted"].items() if weighted)
        blocks.append(
            Text(
                f"The {sides} {record.noun}s have other class frequencies than the place where the model is used: "
                "they are weighted here, so these metrics differ from those of the other tables.",
                "quiet",
            )
        )
    blocks.append(Details("What was shifted, class by class", (_shift_table(record, found),)))
    return Section("Calibration", "calibration", tuple(blocks))


def _read(record: RunRecord) -> dict[str, Any] | None:
    if not (record.folder / CALIBRATION).is_file():
        return None
    found = CALIBRATION.read(record.folder)
    if found["schema_version"] == 1 and record.num_classes == 2:
        # There the Brier score of two classes was the sum over both, which is twice that of either.
        for figures in (found[when][side] for when in _WHEN for side in found[when]):
            if figures is not None:
                figures["brier"] /= 2
    return found


def _intro(record: RunRecord, found: dict[str, Any]) -> str:
    kind = "out-of-fold" if "out_of_fold" in found["before"] else "validation"
    rows = plural(found["rows"], f"{kind} {record.noun}")
    effect = found.get("design_effect") or 1.0
    if effect > 1.05:
        rows += f", worth {found['rows'] / effect:,.0f} independent ones since those of a {record.group_noun} are alike"
    words = (
        "Re-weighting and resampling shift what a model believes about class frequencies. Probabilities undo that; "
        f"decisions do not. They were fitted on {rows} ({one_line(found['method'])}), for a place with "
    )
    if found["deployment_prior"] == found["natural_prior"]:
        words += "the class frequencies of the training data, seldom those of a clinic. "
    else:
        words += "the class frequencies that were asked for. "
    if found["exact"]:
        words += "In theory the ledger's shift is exact for this plan; the fit is drawn to it, the more the fewer rows."
    else:
        words += f"The ledger is no exact guide here: {one_line(found['reason'])}. So the fit follows the rows."
    temperature = found["temperature"]
    told = "too sure of itself" if temperature > 1 else "not sure enough of itself"
    meaning = "" if f"{temperature:.2f}" == "1.00" else f" (the network was {told})"
    return f"{words} Temperature: {temperature:.3g}{meaning}."


def _metric_table(found: dict[str, Any], positive: str | None) -> Table:
    sides = [
        side for side in ("out_of_fold", "validation", "test") if found["before"].get(side) and found["after"].get(side)
    ]
    head = (
        Cell("Less is better"),
        *(Cell(f"{side.replace('_', '-')}, {when}", look="number") for side in sides for when in _WHEN),
    )
    rows = tuple(
        (
            Cell(OVERALL_METRICS[name].headed(positive)),
            *(_number(found[when][side].get(name)) for side in sides for when in _WHEN),
        )
        for name in FIGURES
    )
    return Table(head, rows, "Before: the softmax of the network. After: as written to the predictions.")


_WHEN = ("before", "after")


def _number(value: float | None) -> Cell:
    return Cell(NO_METRIC if value is None else f"{value:.4f}", look="number")


def _shift_table(record: RunRecord, found: dict[str, Any]) -> Table:
    _, rare = class_colours(record.train_counts, record.num_classes)
    rows = []
    for k, name in enumerate(record.class_names):
        shares = (per_cent(found[prior][k]) for prior in _PRIORS)
        shifts = (f"{found[shift][k]:+.2f}".replace("-", "−") for shift in _SHIFTS)
        rows.append((name_cell(name, rare=k == rare), *(Cell(text, look="number") for text in (*shares, *shifts))))
    head = (Cell("Class"), *(Cell(words, look="number") for words in (*_PRIORS.values(), *_SHIFTS.values())))
    caption = "Shifts of the logits, mean 0. Measured: what these rows alone ask for."
    return Table(head, tuple(rows), caption)


_PRIORS = {"natural_prior": "as they are", "effective_prior": "effective", "deployment_prior": "where it is used"}
_SHIFTS = {"ledger_shift": "ledger's shift", "measured_shift": "measured", "shift": "used"}
