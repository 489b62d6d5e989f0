"""What a run's page says first: the verdict in a sentence, the headline metrics, the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imbtk.evaluation.estimate import estimate_of, estimate_words
from imbtk.evaluation.metric_table import OVERALL_METRICS
from imbtk.report.blocks import Block, Text, Tile, Tiles
from imbtk.report.estimate_section import estimate_tiles
from imbtk.report.levels import Level, headline_class, levels_of, main_side
from imbtk.report.palette import class_colours
from imbtk.runs.reading import RunRecord
from imbtk.wording import interval_text, one_line, plural, ratio_text, reason_of, sentence, several, shorten, value_text

__all__ = ["headline_tiles", "verdict_sentences", "warnings_of"]


def verdict_sentences(record: RunRecord) -> list[Block]:
    """Return in words what the model reaches for the class that matters, and what no model at all would reach."""
    levels = levels_of(record, main_side(record))
    if (found := estimate_of(record.metrics)) is not None:
        return [Text(estimate_words(found))]
    if not levels:
        return [Text("No side of the split has labelled rows, so nothing can be said about the model.")]
    level, k = levels[-1], headline_class(record)
    sentences = []
    if k is not None:
        row, name = level.metrics["confusion_matrix"]["counts"][k], shorten(record.class_names[k], 40)
        total = level.metrics["per_class"][k]["support"]
        rare = class_colours(record.train_counts, record.num_classes)[1]
        what = "the rare class" if k == rare else "the positive class"
        interval = interval_text(level.metrics["per_class"][k]["sensitivity"])
        between = f" (sensitivity between {interval.replace('–', ' and ')}, 95 % interval)" if interval else ""
        cases = plural(total, f"{level.side} {level.unit}")
        sentences.append(f"Of {cases} of “{name}”, {what}, the model finds {row[k]:,}{between}.")
    supports = [figures["support"] for figures in level.metrics["per_class"]]
    most = max(range(len(supports)), key=lambda j: supports[j])
    sentences.append(
        f"Always answering “{shorten(record.class_names[most], 40)}” would be right for {supports[most]:,} of "
        f"{plural(sum(supports), level.unit)}, and reach a balanced accuracy of {1 / record.num_classes:.2f}."
    )
    return [Text(" ".join(sentences))]


def headline_tiles(record: RunRecord) -> Tiles:
    """Return the headline metrics: per group where there are any, with the metric per row below."""
    levels = levels_of(record, main_side(record))
    tiles = [_data_tile(record)]
    if (found := estimate_of(record.metrics)) is not None:
        return Tiles((*tiles, *estimate_tiles(record, found)))
    if not levels:
        return Tiles(tuple(tiles))
    rare = class_colours(record.train_counts, record.num_classes)[1]
    tiles.append(_tile("Balanced accuracy", levels, lambda m: m["overall"]["balanced_accuracy"]))
    k = headline_class(record)
    if k is not None:
        label = f"Sensitivity, {_whole(record.class_names[k], 22)}"
        tiles.append(_tile(label, levels, lambda m: m["per_class"][k]["sensitivity"], k == rare))
    if record.num_classes == 2 and k is not None:
        label = f"Specificity, {_whole(record.class_names[k], 22)}"
        tiles.append(_tile(label, levels, lambda m: m["per_class"][k]["specificity"]))
    else:
        worst = _worst_class(levels[-1])
        if worst == k:
            tiles.append(_tile("Macro F1", levels, lambda m: m["overall"]["macro_f1"]))
        elif worst is not None:
            label = f"Worst sensitivity: {_whole(record.class_names[worst], 18)}"
            tiles.append(_tile(label, levels, lambda m: m["per_class"][worst]["sensitivity"], worst == rare))
    ranks = "macro_auroc" if record.positive is None else "auroc"
    name = None if record.positive is None else _whole(record.class_names[record.positive], 22)
    tiles.append(_tile(OVERALL_METRICS[ranks].headed(name), levels, lambda m: m["overall"][ranks]))
    return Tiles(tuple(tiles))


def _worst_class(level: Level) -> int | None:
    values = [figures["sensitivity"]["value"] for figures in level.metrics["per_class"]]
    some = [k for k, value in enumerate(values) if value is not None]
    return min(some, key=lambda k: values[k], default=None)


def _tile(label: str, levels: list[Level], pick: Any, rare: bool = False) -> Tile:
    main = levels[-1]
    figure: Mapping[str, Any] = pick(main.metrics)
    interval = interval_text(figure)
    lines = [interval or "no interval", main.words]
    for level in levels[:-1]:
        other = pick(level.metrics)
        between = interval_text(other)
        lines.append(f"per {level.unit} {value_text(other)}" + (f" ({between})" if between else ""))
    return Tile(label, value_text(figure), tuple(_unbroken(line) for line in lines), reason_of(figure), rare)


def _whole(name: str, width: int) -> str:
    """Return a class name that a narrow tile does not break in two: its spaces and hyphens hold."""
    return shorten(name, width).replace(" ", "\u00a0").replace("-", "\u2011")


def _unbroken(line: str) -> str:
    """Return a line that a narrow tile does not break inside an interval."""
    return one_line(line).replace("–", "\u2060–\u2060")


def _data_tile(record: RunRecord) -> Tile:
    groups = {row["group"] for row in record.split if row["group"]}
    lines = [
        plural(len(groups), record.group_noun) if groups else f"{several(record.group_noun)} unknown",
        plural(record.num_classes, "class"),
    ]
    counts = record.train_counts
    if counts and min(counts) > 0:
        lines.append(f"rarest to commonest 1\u00a0:\u00a0{ratio_text(max(counts) / min(counts))}")
    return Tile(f"{record.noun.capitalize()}s", f"{len(record.split):,}", tuple(lines))


def warnings_of(record: RunRecord) -> list[str]:
    """Return everything that the plan and the evaluation warn of, once each."""
    found = [str(text) for text in record.plan.get("warnings", ())]
    for side in ("test", "validation"):
        for level in levels_of(record, side):
            found += [f"{side} {several(record.noun)}: {warning['text']}" for warning in level.metrics["warnings"]]
    return list(dict.fromkeys(sentence(text) for text in found))
