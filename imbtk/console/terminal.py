"""The plan before training and the results after it, on a terminal of 80 columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbtk.data.group_rule import rule_words
from imbtk.evaluation.estimate import estimate_of, estimate_words
from imbtk.evaluation.metric_table import OVERALL_METRICS
from imbtk.runs.format import DECISION
from imbtk.runs.reading import sample_kind
from imbtk.wording import (
    fitted_on_words,
    index_text,
    join_words,
    metric_text,
    one_line,
    per_cent,
    plural,
    reason_of,
    share_text,
    shorten,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["print_plan", "print_results"]

_MOST_ROWS = 14
_STAGES = ("natural", "resampled", "ordered", "weighted", "effective")


def print_plan(console: Console, plan_document: Mapping[str, Any]) -> None:
    """Print what is going to happen: strategies, split, class frequencies, defaults, warnings.

    Parameters
    ----------
    console : rich.console.Console
    plan_document : mapping
        As in ``plan.json``.
    """
    from rich.text import Text

    strategies = plan_document.get("strategies", ())
    console.print(Text("Plan", style="bold"))
    if not strategies:
        console.print(Text("  no strategy: the baseline"))
    for strategy in strategies:
        _print_strategy(console, strategy)
    _print_split(console, plan_document.get("split", {}))
    names = _class_names(plan_document)
    phases = {phase.get("index"): phase for phase in plan_document.get("phases", ())}
    ledger = plan_document.get("ledger", ())
    changes = [
        e for before, e in zip((None, *ledger), ledger, strict=False) if before is None or before["rows"] != e["rows"]
    ]
    for entry in changes:
        console.print()
        console.print(_ledger(entry, names, phases.get(entry.get("phase")), len(changes)))
    defaults = plan_document.get("defaults", ())
    if defaults:
        console.print()
        console.print(Text("Defaults", style="bold"))
        console.print(_pairs(defaults))
    for warning in plan_document.get("warnings", ()):
        console.print(_warning(warning))


def print_results(
    console: Console, metrics_document: Mapping[str, Any], run_folder: Path, *, kind: str | None = None
) -> None:
    """Print the metrics of each class with their intervals, and where the run folder is.

    Parameters
    ----------
    console : rich.console.Console
    metrics_document : mapping
        As in ``metrics.json``.
    run_folder : Path
    kind : "images" or "table", optional
        Of an evaluation on new data, whose folder holds no model.
    """
    from rich.text import Text

    side = "test" if "test" in metrics_document else "validation"
    parts = metrics_document.get(side) or {}
    warnings: list[str] = []
    noun = "image" if (kind or sample_kind(run_folder)) == "images" else "row"
    for key, unit in (("per_row", noun), ("per_group", metrics_document["group_name"])):
        level = parts.get(key) or {}
        if "per_class" not in level:
            continue
        console.print()
        console.print(Text(f"{side.capitalize()}, per {unit} ({plural(level['n'], unit)})", style="bold"))
        console.print(_results(metrics_document, level))
        overall = level["overall"]
        figures = [f"balanced accuracy {metric_text(overall['balanced_accuracy'])}"]
        figures += _ranking_metrics(metrics_document["positive_class"], overall)
        figures += [f"accuracy {metric_text(overall['accuracy'])}"]
        console.print(Text("  " + "\n  ".join(figures)))
        warnings += [warning["text"] for warning in level["warnings"]]
    if (estimate := estimate_of(metrics_document)) is not None:
        console.print()
        console.print(Text(estimate_words(estimate)))
    else:
        console.print(Text("  In brackets: 95 % intervals, given this trained model.", style="dim"))
    _print_groups(console, metrics_document, parts.get("per_group") or {})
    if kind is None:
        _print_decision(console, run_folder / DECISION, noun, metrics_document["group_name"])
    for text in dict.fromkeys(warnings):
        console.print(_warning(text))
    console.print()
    console.print(
        Text.assemble(("Run folder " if kind is None else "Evaluation ", "bold"), str(run_folder)), soft_wrap=True
    )


def _print_groups(console: Console, metrics: Mapping[str, Any], level: Mapping[str, Any]) -> None:
    """Print by which rule a group has its class, or why there are no metrics per group where there might be."""
    from rich.text import Text

    noun = metrics["group_name"]
    if "per_class" in level and metrics["group_label"]:
        console.print(Text(f"  Per {noun}: {rule_words(metrics['group_label'], noun)}.", style="dim"))
    elif "--group-label" in level.get("reason", ""):
        console.print(_warning(f"no metrics per {noun}: {level['reason']}."))


def _ranking_metrics(positive: str | None, overall: Mapping[str, Any]) -> list[str]:
    """Return what the probabilities are worth as a ranking: of two classes the positive one's, else means."""
    of = None if positive is None else shorten(positive, 18)
    keys = ("macro_auroc", "macro_auprc") if of is None else ("auroc", "auprc")
    found = [f"{OVERALL_METRICS[key].named(of)} {metric_text(overall[key])}" for key in keys]
    if of is not None:
        found[-1] += f", by guessing {share_text(overall['auprc_floor'])}"
    return found


def _print_decision(console: Console, path: Path, noun: str, group_noun: str) -> None:
    """Print the decision rule and the rows that it was fitted on; nothing where it is fitted on none."""
    from rich.text import Text

    decision = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if decision.get("fitted_on"):
        console.print(Text(f"  Decided by {one_line(decision['name'])}"))
        console.print(Text(f"  fitted on {fitted_on_words(decision, noun, group_noun)}", style="dim"))
    sets = decision.get("sets") or {}
    if sets:
        fitted = f", fitted on {fitted_on_words(sets, noun, group_noun)}" if sets["fitted_on"] else ""
        fitted = ", fitted on the same rows" if fitted and decision["fitted_on"] else fitted
        console.print(Text(f"  Sets of classes by {one_line(sets['by'])}{fitted}"))
    if sets.get("inexact"):
        console.print(Text(f"  without an exact guarantee: {one_line(sets['inexact'])}", style="dim"))
    if sets.get("always"):
        names = join_words([shorten(name, 40) for name in sets["always"]])
        console.print(Text(f"  in every set, because too few {noun}s are known: {names}", style="yellow"))


def _class_names(plan: Mapping[str, Any]) -> list[str] | None:
    """Return the class names where the plan has them."""
    names = plan.get("class_names")
    return None if names is None else [str(name) for name in names]


def _print_strategy(console: Console, strategy: Mapping[str, Any]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Padding(Text(one_line(strategy.get("spec") or strategy.get("name")), style="cyan"), (0, 0, 0, 2)))
    if strategy.get("summary"):
        console.print(Padding(Text(one_line(strategy["summary"]), style="dim"), (0, 0, 0, 4)))


def _grid(ratios: tuple[int, int]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for ratio in ratios:
        table.add_column(ratio=ratio, overflow="fold")
    return table


def _pairs(pairs: Sequence[Sequence[object]]) -> Table:
    from rich.text import Text

    table = _grid((1, 3))
    for what, value in pairs:
        table.add_row(Text("  " + one_line(what), style="dim"), Text(one_line(value)))
    return table


def _print_split(console: Console, split: Mapping[str, Any]) -> None:
    from rich.text import Text

    sides = [side for side in ("train", "validation", "test") if side in split]
    if not sides:
        return
    groups = split.get("groups") or {}
    parts = [
        f"{side} {split[side]:,}"
        + (f" ({plural(groups[side], split.get('group_name', 'group'))})" if side in groups else "")
        for side in sides
    ]
    console.print(Text.assemble(("Split ", "bold"), ", ".join(parts)))
    note = split.get("note")
    if note:
        console.print(Text("  " + one_line(note), style="dim") if groups else _warning(note))


def _shown(counts: Sequence[float]) -> tuple[list[int], int | None]:
    """Return the classes to show and where classes are left out between them: all, or the commonest and the rarest."""
    if len(counts) <= _MOST_ROWS:
        return list(range(len(counts))), None
    # Of classes alike in count the first comes last, so that the rare class is never left out.
    order = sorted(range(len(counts)), key=lambda k: (-counts[k], -k))
    half = _MOST_ROWS // 2
    return order[:half] + order[-half:], half


def _table(title: str = "") -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )


def _ledger(
    entry: Mapping[str, Any], names: Sequence[str] | None, phase: Mapping[str, Any] | None, phases: int
) -> Table:
    from rich.text import Text

    rows = entry["rows"]
    title = "Class frequencies as training sees them"
    if phases > 1 and phase is not None:
        title += f", from epoch {int(phase['start']) + 1}"
    table = _table(title)
    table.add_column("class", overflow="fold", max_width=22)
    for stage in _STAGES:
        table.add_column(stage, justify="right")
    natural = rows["natural"]
    shown, gap = _shown(natural)
    for place, k in enumerate(shown):
        if place == gap:
            table.add_row(Text(f"… {len(natural) - len(shown)} more", style="dim"))
        name = shorten(names[k], 22) if names is not None else f"class {k + 1}"
        cells = ["unknown" if rows.get(s) is None else per_cent(rows[s][k] / (sum(rows[s]) or 1)) for s in _STAGES]
        table.add_row(Text(name), *cells)
    index = entry.get("index")
    if index is not None:
        table.caption = Text(
            f"correction index {index_text(index)} (0 leaves the frequencies, 1 makes them alike)", style="dim"
        )
        table.caption_justify = "left"
    return table


def _results(metrics: Mapping[str, Any], level: Mapping[str, Any]) -> Table:
    from rich.text import Text

    table = _table()
    table.add_column("class", overflow="fold", max_width=18)
    table.add_column("n", justify="right")
    keys = ("sensitivity", "specificity", "precision")
    for key in keys:
        table.add_column(key, justify="right")
    classes = level["per_class"]
    counts = metrics.get("train_counts") or [figures["support"] for figures in classes]
    shown, gap = _shown(counts)
    rare = min(range(len(counts)), key=lambda k: counts[k]) if min(counts) < max(counts) else None
    for place, k in enumerate(shown):
        if place == gap:
            table.add_row(Text(f"… {len(classes) - len(shown)} more", style="dim"))
        figures = classes[k]
        cells = [metric_text(figures[key]) for key in keys]
        name = Text(shorten(figures["name"], 18), style="bold red" if k == rare else "")
        table.add_row(name, f"{figures['support']:,}", *cells)
    reasons = dict.fromkeys(
        reason_of(classes[k][key]) for k in shown for key in keys if classes[k][key]["value"] is None
    )
    if reasons:
        table.caption = Text("–: " + "; ".join(reasons), style="dim")
        table.caption_justify = "left"
    return table


def _warning(text: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    table.add_row(Text("!", style="bold yellow"), Text(one_line(text)))
    return table
