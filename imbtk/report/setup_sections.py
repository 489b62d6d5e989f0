"""The first half of a run's page: what was asked, the data, what strategies do to the classes, the split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imbtk.report import plots
from imbtk.report.blocks import Banner, Block, Cell, Details, Facts, Level, Section, Table, Text, name_cell
from imbtk.report.drawings import Drawings
from imbtk.report.palette import class_colours
from imbtk.report.record import SIDES, RunRecord
from imbtk.report.wording import join_words, one_line, per_cent, plural, ratio_text, shorten

__all__ = [
    "STAGES",
    "asked_section",
    "changed_stages",
    "classes_section",
    "data_name",
    "data_section",
    "index_words",
    "split_section",
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


def data_name(record: RunRecord) -> str:
    """Return what the data are called."""
    return one_line(record.config.get("data") or "data given as arrays")


def when_words(window: object, epochs: int | None) -> str:
    """Return when a strategy is on: ``"all epochs"``, or its window as the user wrote it."""
    if not window:
        return "all epochs"
    if isinstance(window, (list, tuple)) and len(window) == 2:
        last = epochs if window[1] is None else window[1]
        return f"epochs {int(window[0]) + 1}–{last}"
    return f"epochs {window}"


def asked_section(record: RunRecord) -> Section:
    """Return what was asked, in words."""
    plan, config = record.plan, record.config
    defaults = {str(what): str(value) for what, value in plan.get("defaults", ())}
    count = plan.get("split", {}).get("train")
    epochs = config.get("epochs")
    sentence = f"Train the network {one_line(config.get('model') or 'chosen by default')}"
    sentence += f" for {plural(int(epochs), 'epoch')}" if epochs else ""
    sentence += f" on {plural(int(count), record.noun)}" if count is not None else ""
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


def data_section(record: RunRecord) -> Section:
    """Return the data in one sentence, and what ``imbtk check`` found."""
    rows = plural(len(record.split), record.noun)
    groups = {row["group"] for row in record.split if row["group"]}
    sentence = f"{data_name(record)}: {rows} in {plural(record.num_classes, 'class')}"
    sentence += f", from {plural(len(groups), 'patient')}." if groups else "."
    counts = record.train_counts
    if counts and min(counts) > 0 and max(counts) > min(counts):
        sentence += (
            f" In training, the most frequent class has {ratio_text(max(counts) / min(counts))} times as many "
            f"{record.noun}s as the rarest."
        )
    blocks: list[Block] = [Text(sentence)]
    if record.audit is None:
        blocks.append(Text("The data were not audited: the command imbtk check does that.", "quiet"))
    for finding in record.audit or ():
        blocks.extend(_finding_blocks(finding))
    return Section("The data", "data", tuple(blocks))


def _finding_blocks(finding: Mapping[str, Any]) -> list[Block]:
    level = finding.get("level")
    known: Level = level if level in ("ok", "note", "warning", "error") else "note"
    text, title = one_line(finding.get("text") or ""), one_line(finding.get("title") or "")
    blocks: list[Block] = [Banner("" if text == title else text, known, title)]
    table = finding.get("table")
    made = _finding_table(table) if table else None
    if made is not None:
        blocks.append(Details(f"{title}: details", (made,)))
    return blocks


def _finding_table(table: object) -> Table | None:
    """Return a finding's table: a list of objects, or a list of lists with the head first, or {"columns", "rows"}."""
    if isinstance(table, Mapping):
        head, lines = list(table.get("columns", ())), list(table.get("rows", ()))
    elif isinstance(table, list) and table and isinstance(table[0], Mapping):
        head = list(table[0])
        lines = [[line.get(name, "") for name in head] for line in table]
    elif isinstance(table, list) and table:
        head, lines = list(table[0]), table[1:]
    else:
        return None
    rows = tuple(tuple(_value_cell(value) for value in line) for line in lines)
    return Table(tuple(Cell(one_line(name)) for name in head), rows)


def _value_cell(value: object) -> Cell:
    if isinstance(value, bool) or value is None:
        return Cell({True: "yes", False: "no", None: "–"}[value])
    if isinstance(value, (int, float)):
        return Cell(f"{value:,}" if isinstance(value, int) else f"{value:.3g}", look="number")
    return name_cell(str(value), 48)


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
        f"Correction index {index:.2f}: {meaning} (0 leaves the frequencies, 1 makes them alike, 2 turns them round)."
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
    for entry in ledger:
        blocks.extend(_ledger_blocks(record, entry, phases.get(entry.get("phase")), len(ledger), drawings))
    return Section("Classes, before and after", "classes", tuple(blocks))


def _ledger_blocks(
    record: RunRecord, entry: Mapping[str, Any], phase: Mapping[str, Any] | None, phases: int, drawings: Drawings
) -> list[Block]:
    stages = changed_stages(entry["rows"])
    title = ""
    if phases > 1 and phase is not None:
        on = join_words([shorten(spec, 40) for spec in phase.get("strategies", ())]) or "no strategy"
        title = f"Phase {int(phase['index']) + 1}, epochs {int(phase['start']) + 1}–{int(phase['stop'])}: {on}"
    words = {STAGES[stage]: share for stage, share in stages.items()}
    figure = plots.class_distribution(words, record.class_names, train_counts=record.train_counts)
    number = int(entry.get("phase") or 0)
    name = "class_distribution" if phases == 1 else f"class_distribution_{number + 1}"
    data = zip(record.class_names, *words.values(), strict=True)
    drawn = drawings.add(
        name, figure, (("class", *stages), data), index_words(entry.get("index")), title=title, width="wide"
    )
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


def split_section(record: RunRecord) -> Section:
    """Return the sides of the split, and whether a patient stands on two of them."""
    blocks: list[Block] = [_leak_banner(record), _split_table(record)]
    left_out = sum(row["split"] not in SIDES for row in record.split)
    if left_out:
        blocks.append(Text(f"{plural(left_out, record.noun)} left out: on no side of the split.", "quiet"))
    return Section("The split, and whether it leaks", "split", tuple(blocks))


def _leak_banner(record: RunRecord) -> Banner:
    if not record.groups_known:
        return Banner(
            f"These figures assume that no two {record.noun}s come from one patient. If some do, the results look "
            "better than they are. Tell imbtk the patients (a manifest column, or --group-pattern).",
            "warning",
            "Groups unknown",
        )
    sides: dict[str, set[str]] = defaultdict(set)
    for row in record.split:
        if row["group"] and row["split"] in SIDES:
            sides[row["group"]].add(row["split"])
    straddling = sorted(group for group, where in sides.items() if len(where) > 1)
    if straddling:
        named = join_words([shorten(group, 24) for group in straddling[:8]])
        return Banner(
            f"{plural(len(straddling), 'patient')} of {len(sides)} on more than one side of the split: {named}"
            f"{' and others' if len(straddling) > 8 else ''}. The results look better than they are.",
            "error",
            "The split leaks",
        )
    return Banner(f"All {len(sides)} patients were looked at: none is on two sides of the split.", "ok", "No leak")


def _split_table(record: RunRecord) -> Table:
    counts: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
    groups: dict[str, dict[str, set[str]]] = {side: defaultdict(set) for side in SIDES}
    for row in record.split:
        if row["split"] in counts:
            counts[row["split"]][row["label"]] += 1
            groups[row["split"]][row["label"]].add(row["group"])
    _, rare = class_colours(record.train_counts, record.num_classes)
    lines = []
    for k, name in enumerate(record.class_names):
        cells = [_side_cell(record, counts[side], groups[side], name) for side in SIDES]
        lines.append((name_cell(name, rare=k == rare), *cells))
    totals = [
        Cell(
            f"{counts[side].total():,}",
            look="number",
            sub=plural(len(set().union(*groups[side].values())), "patient") if record.groups_known else "",
        )
        for side in SIDES
    ]
    lines.append((Cell("all classes"), *totals))
    head = (Cell("Class"), *(Cell(side, look="number") for side in SIDES))
    return Table(head, tuple(lines), f"{record.noun.capitalize()}s on each side, with their share of the side.")


def _side_cell(record: RunRecord, counts: Counter[str], groups: Mapping[str, set[str]], name: str) -> Cell:
    share = counts[name] / counts.total() if counts.total() else None
    below = per_cent(share)
    if record.groups_known:
        below += f" · {plural(len(groups.get(name, ())), 'patient')}"
    return Cell(f"{counts[name]:,}", look="number", sub=below)
