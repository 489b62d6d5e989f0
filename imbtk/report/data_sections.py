"""The data of a run: what they are, what ``imbtk check`` found in them, and how they were split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from imbtk.report.blocks import Banner, Block, Cell, Details, Level, Section, Table, Text, name_cell
from imbtk.report.palette import class_colours
from imbtk.runs.reading import SIDES, RunRecord
from imbtk.wording import join_words, one_line, per_cent, plural, ratio_text, several, shorten

__all__ = ["data_name", "data_section", "split_section"]


def data_name(record: RunRecord) -> str:
    """Return what the data are called: the last part of their path."""
    name = str(record.config.get("data") or "data given as arrays")
    return one_line(name.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or name)


def data_section(record: RunRecord) -> Section:
    """Return the data in one sentence, and what ``imbtk check`` found."""
    rows = plural(len(record.split), record.noun)
    groups = {row["group"] for row in record.split if row["group"]}
    sentence = f"{data_name(record)}: {rows} in {plural(record.num_classes, 'class')}"
    sentence += f", from {plural(len(groups), record.group_noun)}." if groups else "."
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


def split_section(record: RunRecord) -> Section:
    """Return the sides of the split, and whether a group stands on two of them."""
    blocks: list[Block] = [_leak_banner(record), _split_table(record)]
    left_out = sum(row["split"] not in SIDES for row in record.split)
    if left_out:
        blocks.append(Text(f"{plural(left_out, record.noun)} left out: on no side of the split.", "quiet"))
    return Section("The split, and whether it leaks", "split", tuple(blocks))


def _leak_banner(record: RunRecord) -> Banner:
    noun = record.group_noun
    if not record.groups_known:
        return Banner(
            f"These metrics assume that no two {record.noun}s come from one {noun}. If some do, the results look "
            f"better than they are. Tell imbtk the {several(noun)} (a manifest column, or --group-pattern).",
            "warning",
            f"{several(noun).capitalize()} unknown",
        )
    sides: dict[str, set[str]] = defaultdict(set)
    for row in record.split:
        if row["group"] and row["split"] in SIDES:
            sides[row["group"]].add(row["split"])
    straddling = sorted(group for group, where in sides.items() if len(where) > 1)
    if straddling:
        named = join_words([shorten(group, 24) for group in straddling[:8]])
        return Banner(
            f"{plural(len(straddling), noun)} of {len(sides)} on more than one side of the split: {named}"
            f"{' and others' if len(straddling) > 8 else ''}. The results look better than they are.",
            "error",
            "The split leaks",
        )
    return Banner(
        f"All {len(sides)} {several(noun)} were looked at: none is on two sides of the split.", "ok", "No leak"
    )


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
            sub=plural(len(set().union(*groups[side].values())), record.group_noun) if record.groups_known else "",
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
        below += f" · {plural(len(groups.get(name, ())), record.group_noun)}"
    return Cell(f"{counts[name]:,}", look="number", sub=below)
