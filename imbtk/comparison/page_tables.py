"""The tables of a comparison's page: plans, tests, pairs, the leak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from imbtk.comparison import columns
from imbtk.comparison.columns import Column, TableCell, difference_text, metric_texts, p_text
from imbtk.comparison.words import row_noun, unit_noun
from imbtk.report import blocks
from imbtk.report.blocks import Banner, Block, Details, Section, Table, Text, name_cell
from imbtk.report.drawings import Drawings
from imbtk.wording import NO_METRIC, join_words, sentence, several, shorten

__all__ = ["interactions_section", "page_table", "table_section", "ungrouped_section"]


def page_table(shown: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table of a page, the best metric of each column with a star."""
    head = [blocks.Cell(column.headed(16), look="number" if column.look == "number" else "text") for column in shown]
    lines = [zip(shown, columns.cells(shown, row), strict=True) for row in rows]
    return Table(tuple(head), tuple(tuple(_cell(*pair) for pair in line) for line in lines))


def _cell(column: Column, cell: TableCell) -> blocks.Cell:
    if column.look == "name":
        return name_cell(cell.text, 40)
    star = "★ " if cell.tone == "best" else ""
    return blocks.Cell(star + cell.text, cell.reason, column.look, sub=cell.below)


def table_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    """Return the table: metrics, differences, verdicts; all other metrics and tests behind a click."""
    rows = [row for row in document["rows"] if row["complete"]]
    table = page_table(columns.of_table(document, "page"), rows)
    drawings.add_table("comparison", [c.text for c in table.head], [[c.text for c in line] for line in table.rows])
    found: list[Block] = [
        table,
        Text(
            f"Below each metric its 95 % interval over {several(unit_noun(document))}, each with all its repeats, "
            "given these trained models. The best metric of a column is marked ★. Differences are to the baseline; "
            f"p-values are Holm-adjusted over the rows and belong to {document['primary_name']} alone: no other column "
            "was tested.",
            "quiet",
        ),
    ]
    found += [text for text in (_cost_text(document),) if text is not None]
    figures = columns.of(document, ("plan", *columns.metrics_in(document)))
    found.append(Details("All metrics", (page_table(figures, rows),)))
    if (tests := _tests_table(document)) is not None:
        found.append(Details("All tests, secondary ones among them", (tests,)))
    found += [
        Banner(f"{sentence(left['reason'])}", "note", f"Left out: “{left['plan']}”") for left in document["left_out"]
    ]
    return Section("Which plans help", "table", tuple(found))


def _cost_text(document: Mapping[str, Any]) -> Text | None:
    """Return the costs by which all rows are judged, and what deciding all alike would cost."""
    found = document.get("costs")
    if not found:
        return None
    names = document["data"]["class_names"]
    stated = [
        f"{found['matrix'][i][j]:g} for a case of “{shorten(names[i], 30)}” decided as “{shorten(names[j], 30)}”"
        for i in range(len(names))
        for j in range(len(names))
        if found["matrix"][i][j]
    ]
    alike = [f"{entry['value']:.3f} for “{shorten(entry['name'], 30)}”" for entry in found["all_alike"]]
    return Text(
        f"Expected cost: the mean cost of a case, {join_words(stated[:6])}. Deciding all cases alike would cost "
        f"{join_words(alike[:6])}."
    )


def _tests_table(document: Mapping[str, Any]) -> Table | None:
    rows = [row for row in document["rows"] if columns.value_at(row, "difference.value") is not None]
    if not rows:
        return None
    keys = ["plan", "p", "p_holm", "detectable_difference", "p_corrected_t_test_secondary"]
    if any(row["difference"]["secondary"]["mcnemar"] for row in rows):
        keys.append("p_mcnemar_secondary")
    if document["margin"] is not None:
        keys += ["p_not_worse", "p_equivalent_holm"]
    return page_table(columns.of(document, keys), rows)


def interactions_section(document: Mapping[str, Any]) -> list[Section]:
    """Return what pairs add beyond their parts, nothing if no pair was compared."""
    found = document["interactions"]
    if not found:
        return []
    lead = Text(
        "The interaction is what a pair adds beyond the sum of what its two plans do alone; a family of tests of its "
        "own.",
        "quiet",
    )
    shown = (
        Column("pair", "pair", lambda entry: TableCell(entry["pair"]), "name"),
        Column("interaction", "interaction", lambda entry: TableCell(*difference_text(document, entry))),
        Column("p_holm", "p (Holm)", lambda entry: TableCell(p_text(entry["p_holm"]))),
    )
    texts = tuple(Text(entry["words"]) for entry in found)
    return [Section("Pairs", "pairs", (*texts, page_table(shown, found), lead))]


def ungrouped_section(document: Mapping[str, Any]) -> list[Section]:
    """Return by how much ignoring patients flatters, nothing if that was not asked for."""
    ungrouped = document["ungrouped"]
    if not ungrouped:
        return []
    noun = document["data"]["group_name"]
    nouns, rows = several(noun), several(row_noun(document["data"]))
    if ungrouped["reason"]:
        title = f"{nouns.capitalize()} ignored"
        return [Section(title, "ungrouped", (Text(f"{sentence(ungrouped['reason'])}"),))]
    name = document["primary_name"]
    lead = Text(
        f"The same plans, with {rows} dealt into folds as if nobody knew which come from one {noun}: a {noun}'s {rows} "
        f"stand on both sides, and the network is tested on {nouns} that it has seen. First {name} with {nouns} kept "
        f"apart; then with {nouns} ignored, with the interval that such a study would print, over {rows}; then by how "
        f"much that flatters, paired, with an interval over {nouns}. Last the sensitivities that would be reported."
    )
    table = page_table(_leak_columns(document, nouns), [row for row in ungrouped["rows"] if row["complete"]])
    banners = [Banner(sentence(r["reason"]), "error", f"“{r['name']}”") for r in ungrouped["rows"] if not r["complete"]]
    return [Section(f"{nouns.capitalize()} ignored: the leak, shown", "ungrouped", (lead, table, *banners))]


def _leak_columns(document: Mapping[str, Any], nouns: str) -> list[Column]:
    primary, names = document["primary"], document["data"]["class_names"]
    kept = {row["name"]: row["figures"][primary] for row in document["rows"] if row["complete"]}

    def sensitivity(k: int, row: Mapping[str, Any]) -> TableCell:
        value = row["sensitivities"][k]
        return TableCell(NO_METRIC if value is None else f"{value:.2f}")

    def cell(figure: Mapping[str, Any]) -> TableCell:
        return TableCell(*metric_texts(document, primary, figure))

    few = range(len(names)) if len(names) <= 3 else ()
    return [
        *columns.of(document, ["plan"]),
        Column("kept", f"{nouns} kept apart", lambda row: cell(kept[row["name"]])),
        Column("ignored", f"{nouns} ignored", lambda row: cell(row["figure"])),
        Column("flattered", "flattered by", lambda row: TableCell(*difference_text(document, row["flatters_by"]))),
        *[Column(f"class:{k}", f"{shorten(names[k], 16)}, ignored", partial(sensitivity, k)) for k in few],
    ]
