"""The second half of a run's page: how training went, what the model gets right, and what it gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from imbtk.data.group_rule import rule_words
from imbtk.evaluation.metric_table import CLASS_METRICS, OVERALL_METRICS, Metric
from imbtk.report import plots
from imbtk.report.blocks import Banner, Block, Cell, Details, Plot, Section, Table, Text, name_cell
from imbtk.report.drawings import Drawings
from imbtk.report.image_plots import confusion
from imbtk.report.levels import Level, levels_of, main_side
from imbtk.report.palette import MAX_NAMED, class_colours
from imbtk.report.pictures import gallery_blocks, mistake_blocks
from imbtk.runs.reading import RunRecord
from imbtk.wording import (
    ended_words,
    interval_text,
    kept_words,
    one_line,
    per_cent,
    plural,
    reason_of,
    sentence,
    several,
    share_text,
    shorten,
    value_text,
)

__all__ = [
    "PER_CLASS",
    "confusion_section",
    "examples_section",
    "learning_section",
    "mistakes_section",
    "overall_table",
    "per_class_section",
    "per_class_table",
]

PER_CLASS = {
    key: CLASS_METRICS[key].headed() for key in ("sensitivity", "specificity", "precision", "f1", "auroc", "auprc")
}
"""Metrics of the per-class table, with their headings."""


def learning_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return the learning curves."""
    history = record.history
    if not history or not len(history.get("epoch", ())):
        return Section("Learning", "learning", (Text("The run kept no history of its epochs.", "quiet"),))
    # Phases that began: training may have ended before.
    starts = [int(phase["start"]) for phase in record.plan.get("phases", ())]
    starts = [start for start in starts if 0 < start <= history["epoch"][-1]]
    data = (list(history), list(zip(*history.values(), strict=True)))
    captions = {
        "loss": "Training: what it makes small, with the weights of the strategies. If the validation lines turn up "
        "while the training line falls, the model learns its training rows by heart.",
        "scores": "What the model gets right on validation rows, after each epoch.",
    }
    after = " Dotted: here other strategies take over." if starts else ""
    after += f" A line for each of {int(history['member'].max())} members." if "member" in history else ""
    drawn: list[Block] = []
    if not any(name.startswith("validation_") for name in history):
        captions = {"loss": "Training: what it makes small, with the weights of the strategies."}
    for panel, caption in captions.items():
        figure = plots.learning_curves(history, starts, panels=[panel])
        drawn.append(drawings.add(f"learning_{panel}", figure, data, caption + after))
    records = [dict(zip(history, values, strict=True)) for values in zip(*history.values(), strict=True)]
    ended = ended_words(records, record.plan, record.config.get("max_minutes"))
    kept = kept_words(records, record.config)
    said = [Banner(sentence(ended), "warning")] if ended else []
    return Section("Learning", "learning", (*said, *([Text(sentence(kept))] if kept else []), *drawn))


def per_class_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return per-class tables and metrics with intervals, and the overall metrics."""
    side = main_side(record)
    levels = levels_of(record, side)
    conditional = record.metrics.get("conditional_on")
    intro = (
        "Sensitivity: of the cases that truly are of a class, the share that the model finds. Specificity: of the "
        "cases that are not, the share that it leaves out. Precision: of the cases that it calls so, the share that "
        "are. Below each metric its 95 % interval: what other "
        f"{several(record.group_noun)} of the same kind could have given."
    )
    blocks: list[Block] = [Text(intro)]
    if conditional:
        blocks.append(Text(sentence(conditional), "quiet"))
    for level in reversed(levels):
        blocks.append(_sensitivity_plot(record, level, drawings))
    for level in reversed(levels):
        blocks.append(per_class_table(record, level))
    others = [level for other in ("validation",) if other != side for level in levels_of(record, other)]
    if others:
        tables: tuple[Block, ...] = tuple(per_class_table(record, level) for level in others)
        blocks.append(Details("The same on validation rows", tables))
    blocks.append(overall_table([*reversed(levels), *reversed(others)], record.metrics.get("positive_class")))
    blocks.extend(_about_groups(record, side))
    return Section("Results, class by class", "results", tuple(blocks))


def _about_groups(record: RunRecord, side: str) -> list[Block]:
    """Return what class a group is by the metrics above, or why there are none per group."""
    parts, noun = record.metrics.get(side) or {}, record.group_noun
    reason = parts.get("per_group", {}).get("reason")
    if not reason:
        words = rule_words(record.metrics.get("group_label"), noun)
        return [Text(f"Per {noun}: the mean of its {record.noun}s' probabilities is decided on; {words}.", "quiet")]
    if any(warning["code"] == "mixed-groups" for warning in parts["per_row"].get("warnings", ())):
        return [Banner(sentence(reason), "note", f"No metrics per {noun}")]
    return [Text(f"No metrics per {noun}: {one_line(reason).rstrip('.')}.", "quiet")]


def _sensitivity_plot(record: RunRecord, level: Level, drawings: Drawings) -> Plot:
    rows = []
    for figure in level.metrics["per_class"]:
        found = figure["sensitivity"]
        interval = found.get("interval")
        rows.append(
            plots.SensitivityRow(
                figure["name"], found["value"], None if interval is None else tuple(interval), figure["support"]
            )
        )
    drawn = plots.per_class(rows, train_counts=record.train_counts, unit=level.unit)
    data = [(r.name, r.value, *(r.interval or (None, None)), r.support) for r in rows]
    head = ("class", "sensitivity", "low", "high", "support")
    caption = f"{level.side.capitalize()} rows, per {level.unit}. The bar is the 95 % interval; n counts {level.unit}s."
    width: Literal["half", "wide"] = "wide" if record.num_classes > MAX_NAMED else "half"
    return drawings.add(f"sensitivity_{level.slug}", drawn, (head, data), caption, width=width)


def _metric_cell(figure: Mapping[str, Any] | None) -> Cell:
    return Cell(value_text(figure), reason_of(figure), "number", sub=interval_text(figure))


def _share_cell(figure: Mapping[str, Any] | None) -> Cell:
    return Cell(share_text(figure), reason_of(figure), "number")


def per_class_table(record: RunRecord, level: Level) -> Table:
    """Return the metrics of each class at a level, with intervals and support."""
    _, rare = class_colours(record.train_counts, record.num_classes)
    rows = []
    for k, figures in enumerate(level.metrics["per_class"]):
        groups = figures["groups"]
        below = plural(groups, record.group_noun) if groups is not None and level.metrics["unit"] != "group" else ""
        support = Cell(f"{figures['support']:,}", look="number", sub=below)
        cells = (_metric_cell(figures[key]) for key in PER_CLASS)
        rows.append((name_cell(figures["name"], rare=k == rare), support, *cells))
    head = (
        Cell("Class"),
        Cell(f"{level.unit.capitalize()}s", look="number"),
        *(Cell(word, look="number") for word in PER_CLASS.values()),
    )
    return Table(head, tuple(rows), f"{level.side.capitalize()}, per {level.unit}")


def _overall_metrics(levels: Sequence[Level], positive: str | None) -> list[Metric]:
    """Return the metrics to show: of two classes the positive one's, which says all, instead of means over both."""
    open_ = any(level.metrics["abstained"] for level in levels)
    return [
        metric
        for key, metric in OVERALL_METRICS.items()
        if any(key in level.metrics["overall"] for level in levels)
        and (open_ or key != "coverage")
        and (positive is None or not key.startswith(("macro_a", "classwise")))
    ]


def overall_table(levels: Sequence[Level], positive: str | None = None) -> Table:
    """Return the metrics over all classes, one column per level.

    Parameters
    ----------
    levels : sequence of Level
    positive : str, optional
        The positive class of binary data.
    """
    rows = []
    for metric in _overall_metrics(levels, positive):
        figures = [level.metrics["overall"].get(metric.key) for level in levels]
        name = metric.headed(None if positive is None else shorten(positive, 28))
        shown = _share_cell if metric.key == "auprc_floor" else _metric_cell
        rows.append((Cell(name, sub=metric.meaning), *(shown(figure) for figure in figures)))
    shots = {"many": "more than 100", "medium": "20 to 100", "few": "fewer than 20"}
    for key, words in shots.items():
        figures = [level.metrics["shots"][key] for level in levels]
        if any(figure["value"] is not None for figure in figures):
            meaning = f"mean sensitivity of classes with {words} training rows"
            rows.append((Cell(f"{key.capitalize()}-shot", sub=meaning), *(_metric_cell(f) for f in figures)))
    extra = dict.fromkeys(key for level in levels for key in level.metrics["extra"])
    for key in extra:
        rows.append((name_cell(key), *(_metric_cell(level.metrics["extra"].get(key)) for level in levels)))
    head = (Cell("All classes together"), *(Cell(level.words, look="number") for level in levels))
    return Table(head, tuple(rows), "Over all classes")


def confusion_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return confusion matrices: test big, validation small, per group first."""
    side = main_side(record)
    blocks: list[Block] = [
        Text(
            "Each row holds the cases of one true class; the columns say what the model called them. A perfect model "
            "fills only the diagonal."
            + (" Cells show the count and its share of the row." if record.num_classes <= 12 else "")
        )
    ]
    for level in reversed(levels_of(record, side)):
        blocks.append(_confusion_plot(record, level, drawings))
        if record.num_classes > 6:
            blocks.extend(_commonest_confusions(record, level))
        if level.metrics["abstained"]:
            open_ = plural(level.metrics["abstained"], level.unit)
            blocks.append(Text(f"{open_} left to a human, not in the matrix.", "quiet"))
    if side != "validation" and (others := levels_of(record, "validation")):
        drawn: tuple[Block, ...] = tuple(_confusion_plot(record, level, drawings) for level in reversed(others))
        blocks.append(Details("Confusion matrices on validation rows", drawn))
    return Section("What is taken for what", "confusion", tuple(blocks))


def _confusion_plot(record: RunRecord, level: Level, drawings: Drawings) -> Plot:
    counts = level.metrics["confusion_matrix"]["counts"]
    title = f"{level.side.capitalize()}, per {level.unit}"
    figure = confusion(counts, record.class_names, train_counts=record.train_counts, title=title)
    data = [(name, *row) for name, row in zip(record.class_names, counts, strict=True)]
    caption = (
        f"{plural(int(np.sum(counts)), level.unit)}. The stronger a cell's colour, the larger its share of the row."
    )
    full = 6 < record.num_classes <= MAX_NAMED and level.side == main_side(record)
    width: Literal["half", "wide"] = "wide" if full else "half"
    head = ("truth", *(f"called {name}" for name in record.class_names))
    return drawings.add(f"confusion_{level.slug}", figure, (head, data), caption, width=width)


def _commonest_confusions(record: RunRecord, level: Level) -> list[Block]:
    counts = np.array(level.metrics["confusion_matrix"]["counts"])
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:8]
    pairs = [divmod(int(place), record.num_classes) for place in order if counts.flat[place] > 0]
    if not pairs:
        return []
    rows = tuple(
        (
            name_cell(record.class_names[i]),
            name_cell(record.class_names[j]),
            Cell(f"{counts[i, j]:,}", look="number", sub=f"{per_cent(counts[i, j] / totals[i])} of {totals[i]:,}"),
        )
        for i, j in pairs
    )
    head = (Cell("True class"), Cell("Called"), Cell(f"{level.unit.capitalize()}s", look="number"))
    return [Table(head, rows, f"The commonest confusions ({level.words})")]


def examples_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return the gallery."""
    return Section("Examples", "examples", tuple(gallery_blocks(record, drawings)))


def mistakes_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return the most confident mistakes."""
    return Section(
        "The most confident mistakes", "mistakes", tuple(mistake_blocks(record, main_side(record), drawings))
    )
