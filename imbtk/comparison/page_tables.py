"""The tables of a comparison's page: plans, tests, pairs, the leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imbtk.comparison.settings import metric_of
from imbtk.comparison.table import (
    best_places,
    column_name,
    difference_text,
    figure_texts,
    interval_text,
    metric_name,
    metrics_in,
    p_text,
    size_text,
    value_text,
)
from imbtk.comparison.words import p_value
from imbtk.report.blocks import Banner, Block, Cell, Details, Section, Table, Text, name_cell
from imbtk.report.drawings import Drawings
from imbtk.wording import join_words, reason_of, sentence, several, shorten

__all__ = ["interactions_section", "table_section", "ungrouped_section"]


def table_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    """Return the table: figures, differences, verdicts; all other figures and tests behind a click."""
    primary, names = document["primary"], document["data"]["class_names"]
    there = metrics_in(document)
    wanted = ("precision", "alarm_rate", "expected_cost", metric_of("auroc", len(names)), "log_loss")
    rest = [m for m in wanted if m in there and m != primary]
    shown = range(len(names)) if len(names) <= 3 else ()
    head = [
        Cell("plan"),
        Cell("verdict"),
        *[Cell(text, look="number") for text in (metric_name(document, primary), "difference")],
    ]
    head += [Cell(f"sensitivity {shorten(names[k], 16)}", look="number") for k in shown]
    head += [Cell(column_name(document, m), look="number") for m in rest]
    best = best_places(document)
    rows = [_row(document, row, best, rest, shown) for row in document["rows"] if row["complete"]]
    drawings.add_table("comparison", [cell.text for cell in head], [[cell.text for cell in row] for row in rows])
    unit = document["unit"]
    blocks: list[Block] = [
        Table(tuple(head), tuple(rows)),
        Text(
            f"Below each figure its 95 % interval over {unit}s, each with all its repeats, given these trained "
            "models. The best "
            "figure of a column is marked ★. Differences are to the baseline; p-values are Holm-adjusted over the rows "
            f"and belong to {document['primary_name']} alone: no other column was tested.",
            "quiet",
        ),
    ]
    blocks += [text for text in (_cost_text(document),) if text is not None]
    blocks.append(Details("All figures", (_figures_table(document, best),)))
    detail = _test_rows(document)
    if detail:
        blocks.append(Details("All tests, secondary ones among them", (detail,)))
    blocks += [
        Banner(f"{sentence(left['reason'])}", "note", f"Left out: “{left['plan']}”") for left in document["left_out"]
    ]
    return Section("Which plans help", "table", tuple(blocks))


def _figures_table(document: Mapping[str, Any], best: Mapping[str, str]) -> Table:
    shown = metrics_in(document)
    head = [Cell("plan"), *[Cell(column_name(document, m), look="number") for m in shown]]
    rows = [
        (
            name_cell(row["name"], 40),
            *[_figure_cell(document, row, metric, row["figures"][metric], best) for metric in shown],
        )
        for row in document["rows"]
        if row["complete"]
    ]
    return Table(tuple(head), tuple(rows))


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


def _figure_cell(
    document: Mapping[str, Any], row: Mapping[str, Any], key: str, figure: Mapping[str, Any], best: Mapping[str, str]
) -> Cell:
    star = "★ " if best.get(key) == row["name"] else ""
    value, interval = figure_texts(document, key, figure)
    return Cell(star + value, reason_of(figure), "number", sub=interval)


def _row(
    document: Mapping[str, Any],
    row: Mapping[str, Any],
    best: Mapping[str, str],
    rest: Sequence[str],
    shown: Sequence[int],
) -> tuple[Cell, ...]:
    primary = document["primary"]

    value, interval = difference_text(document, row.get("difference"))
    p = None if row["kind"] == "baseline" else row["difference"].get("p_holm")
    return (
        name_cell(row["name"], 40),
        Cell(row.get("verdict") or "the baseline", look="verdict", sub="" if p is None else f"p {p_value(p)}"),
        _figure_cell(document, row, primary, row["figures"][primary], best),
        Cell(value, look="number", sub=interval),
        *[_figure_cell(document, row, f"class:{k}", row["per_class"][k]["sensitivity"], best) for k in shown],
        *[_figure_cell(document, row, metric, row["figures"][metric], best) for metric in rest],
    )


def _test_rows(document: Mapping[str, Any]) -> Table | None:
    rows = [row for row in document["rows"] if row.get("difference") and row["difference"]["value"] is not None]
    if not rows:
        return None
    head = ["plan", "p", "p (Holm)", "detectable at 80 % power", "corrected t-test (secondary)"]
    mcnemar = any(row["difference"]["secondary"]["mcnemar"] for row in rows)
    head += ["McNemar, exact (secondary)"] if mcnemar else []
    head += ["not worse by the margin, p", "equivalent, p (Holm)"] if document["margin"] is not None else []
    lines = []
    for row in rows:
        found, second = row["difference"], row["difference"]["secondary"]
        cells = [p_text(found["p"]), p_text(found["p_holm"]), size_text(document, found["detectable"])]
        cells.append(p_text((second["corrected_t_test"] or {}).get("p")))
        cells += [p_text((second["mcnemar"] or {}).get("p"))] if mcnemar else []
        equal = row.get("equivalence") or {}
        if document["margin"] is not None:
            cells += [p_text(equal.get("p_not_worse")), p_text(equal.get("p_equivalent_holm"))]
        lines.append((name_cell(row["name"], 40), *[Cell(text, look="number") for text in cells]))
    return Table(tuple(Cell(text, look="text" if i == 0 else "number") for i, text in enumerate(head)), tuple(lines))


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
    head = tuple(Cell(t, look="number" if i else "text") for i, t in enumerate(("pair", "interaction", "p (Holm)")))
    rows = []
    for entry in found:
        value, interval = difference_text(document, entry)
        rows.append(
            (name_cell(entry["pair"], 40), Cell(value, look="number", sub=interval), Cell(p_text(entry["p_holm"])))
        )
    texts = tuple(Text(entry["words"]) for entry in found)
    return [Section("Pairs", "pairs", (*texts, Table(head, tuple(rows)), lead))]


def ungrouped_section(document: Mapping[str, Any]) -> list[Section]:
    """Return by how much ignoring patients flatters, nothing if that was not asked for."""
    ungrouped = document["ungrouped"]
    if not ungrouped:
        return []
    noun = document["data"]["group_name"]
    nouns = several(noun)
    if ungrouped["reason"]:
        title = f"{nouns.capitalize()} ignored"
        return [Section(title, "ungrouped", (Text(f"{sentence(ungrouped['reason'])}"),))]
    names, name = document["data"]["class_names"], document["primary_name"]
    shown = range(len(names)) if len(names) <= 3 else ()
    head = ["plan", f"{nouns} kept apart", f"{nouns} ignored", "flattered by"]
    head += [f"{shorten(names[k], 16)}, ignored" for k in shown]
    grouped = {row["name"]: row for row in document["rows"] if row["complete"]}
    rows = [_leak_row(document, row, grouped, shown) for row in ungrouped["rows"] if row["complete"]]
    lead = Text(
        f"The same plans, with rows dealt into folds as if nobody knew which come from one {noun}: a {noun}'s rows "
        f"stand on both sides, and the network is tested on {nouns} that it has seen. First {name} with {nouns} kept "
        f"apart; then with {nouns} ignored, with the interval that such a study would print, over rows; then by how "
        f"much that flatters, paired, with an interval over {nouns}. Last the sensitivities that would be reported."
    )
    table = Table(tuple(Cell(t, look="number" if i else "text") for i, t in enumerate(head)), tuple(rows))
    banners = [Banner(sentence(r["reason"]), "error", f"“{r['name']}”") for r in ungrouped["rows"] if not r["complete"]]
    return [Section(f"{nouns.capitalize()} ignored: the leak, shown", "ungrouped", (lead, table, *banners))]


def _leak_row(
    document: Mapping[str, Any], row: Mapping[str, Any], grouped: Mapping[str, Any], shown: Sequence[int]
) -> tuple[Cell, ...]:
    honest = grouped[row["name"]]["figures"][document["primary"]]
    flatter, between = difference_text(document, row["flatters_by"])
    return (
        name_cell(row["name"], 40),
        Cell(value_text(document, honest), look="number", sub=interval_text(document, honest)),
        Cell(value_text(document, row["figure"]), look="number", sub=interval_text(document, row["figure"])),
        Cell(flatter, look="number", sub=between),
        *[
            Cell("–" if row["sensitivities"][k] is None else f"{row['sensitivities'][k]:.2f}", look="number")
            for k in shown
        ],
    )
