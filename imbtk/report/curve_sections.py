"""The section of ROC, precision-recall and reliability curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imbtk.evaluation.curves import pr_curve_points, reliability_bins, roc_curve_points
from imbtk.evaluation.metrics import Missing, Predictions
from imbtk.evaluation.operating import operating_points
from imbtk.report import curve_plots
from imbtk.report.blocks import Block, Cell, Details, Section, Table, Text
from imbtk.report.curve_plots import MOST_CURVES, Bins, Curve, reliability_end
from imbtk.report.drawings import Drawings
from imbtk.report.levels import Level, levels_of, main_side
from imbtk.report.palette import class_colours
from imbtk.runs.reading import RunRecord
from imbtk.wording import NO_METRIC, plural, several, shorten, value_text

__all__ = ["curves_section"]


def curves_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return how the probabilities rank, and whether they mean what they say."""
    blocks: list[Block] = [
        Text(
            "ROC and precision-recall curves show every trade between finding a class and raising a false alarm, "
            "whatever threshold is chosen. With rare classes, look at precision-recall: a ROC curve can look good "
            "while most alarms are false. Reliability: where the model says 30 %, it should happen in 30 of 100 "
            "cases; below the dotted line it happens less often than the model says."
        )
    ]
    for level in reversed(levels_of(record, main_side(record))):
        if level.predictions is not None:
            blocks.extend(_level_blocks(record, level, level.predictions, drawings))
    return Section("Probabilities", "curves", tuple(blocks))


def _shown_classes(record: RunRecord) -> Sequence[int]:
    """Return the classes whose curves are drawn: of two, one says all."""
    if record.num_classes != 2:
        return range(record.num_classes)
    positive = record.metrics.get("positive_class")
    return [record.class_names.index(positive)] if positive in record.class_names else [1]


def _level_blocks(record: RunRecord, level: Level, units: Predictions, drawings: Drawings) -> list[Block]:
    _, rare = class_colours(record.train_counts, record.num_classes)
    roc, pr, bins = [], [], []
    for k in _shown_classes(record):
        truth, score = units.labels == k, units.probabilities[:, k]
        figures, name = level.metrics["per_class"][k], record.class_names[k]
        if truth.any():
            bins.append(_reliability(name, truth, score, units.groups, k == rare))
        points, steps = roc_curve_points(truth, score), pr_curve_points(truth, score)
        if isinstance(points, Missing) or isinstance(steps, Missing):
            continue
        area = figures["auroc"]
        roc.append(Curve(name, *points, area["value"], value_text(area), k == rare, point=_decision(figures)[0]))
        area = figures["auprc"]
        pr.append(
            Curve(
                name,
                *steps,
                area["value"],
                value_text(area),
                rare=k == rare,
                prevalence=float(truth.mean()),
                point=_decision(figures)[1],
            )
        )
    if not roc:
        return [Text(f"{level.words.capitalize()}: only one class has cases, so there are no curves.", "quiet")]
    shown = bins if len(bins) <= MOST_CURVES else [_top_answer(units), *(b for b in bins if b.rare)]
    blocks = _drawn(level, roc, pr, bins, shown, drawings)
    if record.num_classes == 2:
        blocks.append(_thresholds(level, units, _shown_classes(record)[0], record.class_names))
    return blocks


def _decision(figures: Mapping[str, Any]) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return where a class's decisions stand on its ROC and on its precision-recall curve, None where unknown."""
    found, left_out, right = (figures[key]["value"] for key in ("sensitivity", "specificity", "precision"))
    return (
        None if found is None or left_out is None else (1 - left_out, found),
        None if found is None or right is None else (found, right),
    )


def _thresholds(level: Level, units: Predictions, k: int, names: Sequence[str]) -> Details:
    """Return, folded, what some ten thresholds on a class's probability come to, and the decision as it is."""
    figures, name = level.metrics["per_class"][k], shorten(names[k], 30)
    called = units.predicted == k
    head = ("probability from", "sensitivity", "specificity", "precision", f"alarms per 1,000 {several(level.unit)}")
    decided = [figures[key]["value"] for key in ("sensitivity", "specificity", "precision")]
    lines = [("as decided", *decided, float(called.mean()))]
    for point in operating_points(units.labels == k, units.probabilities[:, k]):
        lines.append((f"{point.threshold:.3g}", point.sensitivity, point.specificity, point.precision, point.alarms))
    rows = tuple(
        (
            Cell(str(first)),
            *(Cell(NO_METRIC if value is None else f"{value:.3f}", look="number") for value in shares),
            Cell(f"{1000 * alarms:.1f}", look="number"),
        )
        for first, *shares, alarms in lines
    )
    table = Table(tuple(Cell(text, look="number" if i else "text") for i, text in enumerate(head)), rows)
    note = Text(
        f"What calling everything “{name}” from a probability on comes to on these {several(level.unit)}. A threshold "
        "that is picked from this table looks better here than it will be elsewhere.",
        "quiet",
    )
    return Details(f"Other thresholds for “{name}”, per {level.unit}", (table, note))


def _drawn(
    level: Level, roc: list[Curve], pr: list[Curve], bins: list[Bins], shown: list[Bins], drawings: Drawings
) -> list[Block]:
    cases = plural(level.metrics["n"], level.unit)
    one = (
        f" for “{roc[0].name}”" if len(roc) == 1 else ", each class against the rest" if len(roc) <= MOST_CURVES else ""
    )
    many = " Shaded: 9 of 10 classes; drawn out: the rare class and the worst." if len(roc) > MOST_CURVES else ""
    dots = "" if many or not any(curve.point for curve in roc) else " Dots: the decision."
    words = f"{level.side.capitalize()}, per {level.unit}: {cases}{one}.{many}{dots}"
    return [
        drawings.add(
            f"roc_{level.slug}",
            curve_plots.roc(roc, title=f"ROC, per {level.unit}"),
            _points(roc, "false_positive_rate", "sensitivity"),
            words,
            width="third",
        ),
        drawings.add(
            f"precision_recall_{level.slug}",
            curve_plots.precision_recall(pr, title=f"Precision-recall, per {level.unit}"),
            _points(pr, "sensitivity", "precision"),
            f"{words} Dotted: precision by guessing." if len(pr) <= MOST_CURVES else words,
            width="third",
        ),
        drawings.add(
            f"reliability_{level.slug}",
            curve_plots.reliability(shown, unit=level.unit, title=f"Reliability, per {level.unit}"),
            _bin_table(bins),
            f"{level.side.capitalize()}, per {level.unit}{one if len(shown) == 1 else ''}. Each point is about as "
            f"many {several(level.unit)}, with its 95 % interval (Clopper–Pearson).{_short(shown)} Below: where the "
            "probabilities lie.",
            width="third",
        ),
    ]


def _reliability(name: str, truth: np.ndarray, score: np.ndarray, groups: np.ndarray | None, rare: bool) -> Bins:
    found = reliability_bins(truth, score, groups)
    keys = ("confidence", "frequency", "lower", "upper", "n")
    said, true, lower, upper, counts = (np.array([entry[key] for entry in found]) for key in keys)
    return Bins(name, said, true, lower, upper, counts=counts, scores=score, rare=rare)


def _short(bins: Sequence[Bins]) -> str:
    """Return a sentence where the axes end before 1."""
    end = reliability_end(bins)
    return f" The axes end at {end:g}, where the points do." if end < 1 else ""


def _top_answer(units: Predictions) -> Bins:
    """Return the reliability of the most probable class, whichever it is."""
    chosen = units.probabilities.argmax(axis=1)
    confidence = units.probabilities.max(axis=1)
    return _reliability("the most probable class", chosen == units.labels, confidence, units.groups, rare=False)


def _points(curves: Sequence[Curve], x: str, y: str) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = []
    for curve in curves:
        rows += [(curve.name, f"{a:.6g}", f"{b:.6g}") for a, b in zip(curve.x, curve.y, strict=True)]
    return ("class", x, y), rows


def _bin_table(bins: Sequence[Bins]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = [
        (b.name, *(f"{number:.6g}" for number in numbers), int(n))
        for b in bins
        for *numbers, n in zip(b.predicted, b.observed, b.lower, b.upper, b.counts, strict=True)
    ]
    return ("class", "predicted", "observed", "lower", "upper", "count"), rows
