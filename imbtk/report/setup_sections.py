"""What was asked of a run, and what its strategies do to the class frequencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imbtk.authoring.options import parse_window
from imbtk.report import plots
from imbtk.report.blocks import Block, Cell, Details, Facts, Section, Table, Text, name_cell
from imbtk.report.data_sections import data_name
from imbtk.report.drawings import Drawings
from imbtk.report.palette import class_colours
from imbtk.runs.reading import RunRecord
from imbtk.wording import index_text, join_words, one_line, per_cent, plural, shorten

__all__ = [
    "STAGES",
    "asked_section",
    "changed_stages",
    "classes_section",
    "index_words",
    "when_words",
]

STAGES = {
    "natural": "as they are",
    "resampled": "resampled",
    "ordered": "as drawn",
    "weighted": "weighted",
    "effective": "effective",
}
"""Stage of the ledger -> what the page calls it."""


def when_words(window: str | None, epochs: int | None) -> str:
    """Return when a strategy is on: ``"all epochs"``, ``"epochs 3–8"``."""
    if not window:
        return "all epochs"
    if epochs is None:
        return f"epochs {window}"
    start, stop = parse_window(window).epochs(epochs)
    return f"epochs {start + 1}–{stop}" if stop > start else f"never ({window})"


def asked_section(record: RunRecord) -> Section:
    """Return what was asked, in words."""
    plan, config = record.plan, record.config
    defaults = {str(what): str(value) for what, value in plan.get("defaults", ())}
    count = plan.get("split", {}).get("train")
    epochs = config.get("epochs")
    members, model = plan.get("members", ()), one_line(config.get("model") or "chosen by default")
    sentence = f"Train the network {model}"
    if members:
        sentence = f"Train {len(members)} networks {model}, which predict as one,"
    most = "at most " if config.get("patience") else ""
    sentence += f" for {most}{plural(int(epochs), 'epoch')}" if epochs else ""
    if members:
        least, most_rows = min(members), max(members)
        sentence += f" each on {plural(most_rows, record.noun)}" if least == most_rows else ""
        sentence += f" each on {least:,} to {plural(most_rows, record.noun)}" if least < most_rows else ""
    elif count is not None:
        sentence += f" on {plural(int(count), record.noun)}"
    sentence += f" of {shorten(data_name(record), 60)}, with seed {config.get('seed', 0)}."
    strategies = plan.get("strategies", ())
    blocks: list[Block] = [Text(sentence)]
    if strategies:
        blocks.append(Text("Techniques against the imbalance, in the order in which they act:"))
        blocks.append(_strategy_table(strategies, epochs))
    else:
        blocks.append(Text("No technique against the imbalance was used: this is the baseline."))
    if defaults:
        pairs = tuple((one_line(what), one_line(value)) for what, value in defaults.items())
        blocks.append(Details("What was not asked for, and so took its default", (Facts(pairs),)))
    return Section("What was asked", "asked", tuple(blocks))


def _strategy_table(strategies: Sequence[Mapping[str, Any]], epochs: int | None) -> Table:
    rows = [
        (
            Cell(shorten(s.get("spec") or s.get("name"), 60), one_line(s.get("spec") or ""), "code"),
            Cell(one_line(s.get("summary") or "")),
            Cell(when_words(s.get("window"), epochs)),
            Cell(one_line(s.get("distribution") or "")),
        )
        for s in strategies
    ]
    return Table((Cell("Strategy"), Cell("What it does"), Cell("When"), Cell("From")), tuple(rows))


def changed_stages(rows: Mapping[str, Sequence[float] | None]) -> dict[str, list[float]]:
    """Return the stages that change the class frequencies, with the first and the last."""
    shown: dict[str, list[float]] = {}
    before: np.ndarray | None = None
    for stage in STAGES:
        row = rows.get(stage)
        if row is None:
            continue
        share = np.asarray(row, dtype=np.float64) / (np.sum(row) or 1.0)
        changed = before is None or not np.allclose(share, before, atol=5e-4)
        if changed or stage == "effective":
            shown[stage] = [float(v) for v in share]
            before = share
    return shown


def index_words(index: float | None) -> str:
    """Return what the correction index of a phase says."""
    if index is None:
        return "How far this corrects the imbalance cannot be said beforehand."
    meaning = (
        "the data's own frequencies are left as they are"
        if abs(index) < 0.05
        else "all classes come to count alike"
        if abs(index - 1) < 0.05
        else "the imbalance is made stronger"
        if index < 0
        else "the imbalance is corrected in part"
        if index < 1
        else "the imbalance is over-corrected: rare classes come to count for more than frequent ones"
    )
    return (
        f"Correction index {index_text(index)}: {meaning} (0 leaves the frequencies, 1 makes them alike, 2 turns them "
        "round)."
    )


def classes_section(record: RunRecord, drawings: Drawings) -> Section:
    """Return the class frequencies as each stage leaves them, for each phase."""
    ledger = record.plan.get("ledger", ())
    if not ledger:
        return Section("Classes, before and after", "classes", (Text("The plan holds no class frequencies.", "quiet"),))
    intro = (
        "How frequent each class looks to the model. “As they are” is its share of the training rows: the frequency in "
        "these data, seldom the prevalence in a clinic. The other columns show what the strategies make of it; "
        "“effective” is what a model that sees no features would come to believe."
    )
    blocks: list[Block] = [Text(intro)]
    phases = {phase.get("index"): phase for phase in record.plan.get("phases", ())}
    # Phases that differ in what leaves the frequencies alone (augmentation, say) share one figure.
    alike: list[list[Mapping[str, Any]]] = []
    for entry in ledger:
        if alike and alike[-1][0]["rows"] == entry["rows"]:
            alike[-1].append(entry)
        else:
            alike.append([entry])
    for number, entries in enumerate(alike, start=1):
        title = "" if len(alike) == 1 else _phase_words([phases[entry["phase"]] for entry in entries])
        name = "class_distribution" if len(alike) == 1 else f"class_distribution_{number}"
        blocks.extend(_ledger_blocks(record, entries[0], title, name, drawings))
    return Section("Classes, before and after", "classes", tuple(blocks))


def _phase_words(phases: Sequence[Mapping[str, Any]]) -> str:
    """Return the epochs and strategies of phases that follow each other."""
    specs = dict.fromkeys(spec for phase in phases for spec in phase.get("strategies", ()))
    on = join_words([shorten(spec, 40) for spec in specs]) or "no strategy"
    return f"Epochs {int(phases[0]['start']) + 1}–{int(phases[-1]['stop'])}: {on}"


def _ledger_blocks(
    record: RunRecord, entry: Mapping[str, Any], title: str, name: str, drawings: Drawings
) -> list[Block]:
    words = {STAGES[stage]: share for stage, share in changed_stages(entry["rows"]).items()}
    figure = plots.class_distribution(words, record.class_names, train_counts=record.train_counts)
    data = zip(record.class_names, *words.values(), strict=True)
    caption = index_words(entry.get("index"))
    drawn = drawings.add(name, figure, (("class", *words), data), caption, title=title, width="wide")
    return [drawn, Details("The same as a table", (_ledger_table(record, entry["rows"]),))]


def _ledger_table(record: RunRecord, rows: Mapping[str, Sequence[float] | None]) -> Table:
    _, rare = class_colours(record.train_counts, record.num_classes)
    lines = []
    for k, name in enumerate(record.class_names):
        cells = [name_cell(name, rare=k == rare)]
        if record.train_counts is not None:
            cells.append(Cell(f"{record.train_counts[k]:,}", look="number"))
        for stage in STAGES:
            row = rows.get(stage)
            cells.append(Cell("unknown" if row is None else per_cent(row[k] / (sum(row) or 1)), look="number"))
        lines.append(tuple(cells))
    counts = (Cell(f"training {record.noun}s", look="number"),) if record.train_counts is not None else ()
    head = (Cell("Class"), *counts, *(Cell(word, look="number") for word in STAGES.values()))
    return Table(head, tuple(lines))
