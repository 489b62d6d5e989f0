"""How a class is picked, whether that keeps what it was to keep, and what it means where the class is rarer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from imbtk.evaluation.operating import predictive_values
from imbtk.files import read_document
from imbtk.report.blocks import Banner, Block, Cell, Facts, Section, Table, Text, name_cell
from imbtk.report.decision_plots import predictive_value_plot, risk_coverage_plot
from imbtk.report.drawings import Drawings
from imbtk.report.levels import Level, levels_of, main_side
from imbtk.runs.format import CALIBRATION, DECISION
from imbtk.runs.reading import RunRecord
from imbtk.wording import (
    fitted_on_words,
    interval_text,
    join_words,
    metric_text,
    one_line,
    per_cent,
    several,
    shorten,
    value_text,
)

__all__ = ["decision_section"]

"""The newest ``decision.json`` that is read; version 1 knew of validation rows only."""

_LOWEST, _HIGHEST, _POINTS = 1e-3, 0.9, 121
_LOOKS_AT = {
    "logits": "the trained logits: the deployment prior does not move it",
    "probabilities": "the calibrated probabilities: it moves with the deployment prior",
}


def decision_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return the rule, what it rests on, whether a floor held, what is left open, and predictive values elsewhere.

    Raises
    ------
    RunFolderError
        If ``decision.json`` cannot be read or is from a newer imbtk.
    """
    # An older run wrote none.
    found = DECISION.read(record.folder) if (record.folder / DECISION).is_file() else None
    blocks: list[Block] = []
    if found is not None:
        blocks.append(Facts(tuple(_facts(record, found))))
        if found.get("floor"):
            blocks.append(_floor_banner(record, found["floor"]))
        if found.get("reject"):
            blocks += _rejection(record, found["reject"], drawings)
        if found.get("sets"):
            blocks += _sets(record, found["sets"])
    blocks += _elsewhere(record, drawings)
    return Section(
        "Decision", "decision", tuple(blocks) or (Text("The run did not write down its decision.", "quiet"),)
    )


def _facts(record: RunRecord, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("Rule", one_line(found["name"]))]
    if found.get("by"):
        rows.append(("Asked for by", one_line(found["by"])))
    rows.append(("Looks at", _LOOKS_AT.get(str(found["on"]), one_line(found["on"]))))
    if found.get("fitted_on"):
        rows.append(("Fitted on", fitted_on_words(found, record.noun, record.group_noun)))
    else:
        rows.append(("Fitted on", "nothing: it follows from the training and what was asked for"))
    return rows


def _floor_banner(record: RunRecord, floor: Mapping[str, Any]) -> Banner:
    name, least = shorten(floor["class"], 40), f"{floor['floor']:g}"
    fitted, test = floor.get("out_of_fold") or floor.get("validation"), floor.get("test")
    kind = "out-of-fold" if floor.get("out_of_fold") else "validation"
    on = ""
    if fitted:
        good = "a little too good, since the threshold was chosen on them"
        on = f" On {kind} {record.noun}s: {metric_text(fitted)}, {good}."
    if test is None:
        text = f"There is no test {record.noun} of “{name}” to see whether a sensitivity of {least} holds.{on}"
        return Banner(text, "warning", "Floor not tested")
    seen = (
        f"On test {record.noun}s the sensitivity for “{name}” is {metric_text(test)}; at least {least} was asked for."
    )
    if not floor["held_on_test"]:
        return Banner(f"{seen}{on}", "error", "The floor did not hold on test rows")
    if not floor["confirmed_on_test"]:
        more = " The interval reaches below the floor: these rows cannot confirm it."
        return Banner(f"{seen}{more}{on}", "warning", "The floor held on test rows, and might not on others")
    return Banner(f"{seen}{on}", "ok", "The floor held on test rows")


def _rejection(record: RunRecord, reject: Mapping[str, Any], drawings: Drawings) -> list[Block]:
    shares = reject["share"]
    said = join_words([f"{per_cent(share)} of the {_side(side)} {record.noun}s" for side, share in shares.items()])
    curves = {_side(side): (c["coverage"], c["risk"]) for side, c in reject["risk_coverage"].items()}
    side = "test" if "test" in shares else next(iter(shares), "")
    figure = risk_coverage_plot(curves, 1 - shares[side] if side else None, title="Errors against coverage")
    data = [(side, f"{x:.6g}", f"{y:.6g}") for side, (xs, ys) in curves.items() for x, y in zip(xs, ys, strict=True)]
    caption = (
        f"From the surest {record.noun} on the left to all of them on the right: how many of those decided are wrong. "
        f"The dotted line is where the rule stands on {side} {record.noun}s."
    )
    return [
        Text(f"Left to a human: {said}."),
        drawings.add("risk_coverage", figure, (("side", "coverage", "risk"), data), caption),
    ]


def _sets(record: RunRecord, sets: Mapping[str, Any]) -> list[Block]:
    """Return who made the sets, what may be expected of them, and how often they hold the true class."""
    noun, group = record.noun, record.group_noun
    fitted = f", fitted on {fitted_on_words(sets, noun, group)}" if sets["fitted_on"] else ""
    said = [f"Each {noun} also has a set of classes that cannot be ruled out, by {one_line(sets['by'])}{fitted}."]
    if sets["inexact"]:
        said.append(f"How often a set holds the true class is not exactly guaranteed: {one_line(sets['inexact'])}.")
    blocks: list[Block] = [Text(" ".join(said))]
    if sets["always"]:
        names = join_words([f"“{shorten(name, 40)}”" for name in sets["always"]])
        text = f"Too few {noun}s or {several(group)} to rule them out, so in every set: {names}."
        blocks.append(Banner(text, "warning", "Classes that are in every set"))
    side = main_side(record)
    figures = record.metrics.get(side, {}).get("sets")
    if figures is None:
        return blocks
    head = (Cell("Class"), *(Cell(name, look="number") for name in ("Coverage", "Mean size", "Empty")))
    rows = tuple(
        (
            name_cell(entry["name"]),
            Cell(value_text(entry["coverage"]), look="number", sub=interval_text(entry["coverage"])),
            *(Cell(value_text(entry[name]), look="number") for name in ("size", "empty")),
        )
        for entry in (*figures["per_class"], {"name": "all classes", **figures["overall"]})
    )
    caption = (
        f"{side.capitalize()} {noun}s: how often the set holds the true class, how many classes it has on average, and "
        f"how often it is empty. Where {several(group)} are known, each counts once."
    )
    return [*blocks, Table(head, rows, caption)]


def _side(name: str) -> str:
    return name.replace("_", "-")


def _elsewhere(record: RunRecord, drawings: Drawings) -> list[Block]:
    """Return the predictive values over the prevalence, for two classes whose metrics are known."""
    levels = levels_of(record, main_side(record))
    positive = record.metrics.get("positive_class")
    if record.num_classes != 2 or positive not in record.class_names or not levels:
        return []
    level, k = levels[-1], record.class_names.index(positive)
    entry = level.metrics["per_class"][k]
    sensitivity, specificity = entry["sensitivity"], entry["specificity"]
    if any(figure.get("interval") is None for figure in (sensitivity, specificity)):
        return []
    return [_predictive_values(record, level, positive, sensitivity, specificity, drawings)]


def _predictive_values(
    record: RunRecord,
    level: Level,
    positive: str,
    sensitivity: Mapping[str, Any],
    specificity: Mapping[str, Any],
    drawings: Drawings,
) -> Block:
    prevalence = np.geomspace(_LOWEST, _HIGHEST, _POINTS)
    value, low, high = (
        predictive_values(a, b, prevalence)
        for a, b in (
            (sensitivity["value"], specificity["value"]),
            *zip(sensitivity["interval"], specificity["interval"], strict=True),
        )
    )
    curves = {
        name: (value[i], low[i], high[i])
        for i, name in enumerate((f"called “{shorten(positive, 16)}” and right", "called the other and right"))
    }
    figure = predictive_value_plot(prevalence, curves, _marks(record, positive), title="Predictive values elsewhere")
    rows = [[f"{number:.6g}" for number in row] for row in zip(prevalence, *value, *low, *high, strict=True)]
    head = ("prevalence", *(f"{what}{end}" for end in ("", "_low", "_high") for what in ("ppv", "npv")))
    caption = (
        f"Expected positive and negative predictive value where “{shorten(positive, 40)}” is rarer or commoner, from "
        f"sensitivity {metric_text(sensitivity)} and specificity {metric_text(specificity)} ({level.words}), if these "
        "stay what they are. Shaded: both at the lower or both at the upper end of their 95 % intervals."
    )
    return drawings.add("predictive_values", figure, (head, rows), caption)


def _marks(record: RunRecord, positive: str) -> dict[str, float]:
    """Return the prevalences to point at: in training, and where the model is to be used if that is elsewhere."""
    k, counts = record.class_names.index(positive), record.train_counts
    marks = {"in training": counts[k] / sum(counts)} if counts and sum(counts) else {}
    path = record.folder / CALIBRATION
    if path.is_file():
        prior = read_document(path).get("deployment_prior")
        if prior and abs(prior[k] - marks.get("in training", -1)) > 1e-6:
            marks["where it is used"] = prior[k]
    return {name: share for name, share in marks.items() if _LOWEST <= share <= _HIGHEST}
