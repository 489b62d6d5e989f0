"""The page of a comparison: one self-contained HTML file, made from ``comparison.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imbtk.comparison import plots
from imbtk.comparison.settings import METRICS
from imbtk.comparison.table import best_places, difference_text, interval_text, p_text, size_text, value_text
from imbtk.comparison.words import headline_sentences, p_value, points
from imbtk.report.blocks import Banner, Block, Cell, Details, Facts, Section, Table, Text, Tile, Tiles, name_cell
from imbtk.report.drawings import Drawings, write_atomically
from imbtk.report.page import render_page
from imbtk.report.wording import one_line, plural, reason_of, sentence, shorten

__all__ = ["make_page"]


def make_page(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write ``report.html`` and ``plots/`` into the folder of a comparison.

    Parameters
    ----------
    folder : Path
    document : mapping
        As in ``comparison.json``.
    """
    drawings = Drawings()
    sections = [
        _table_section(document, drawings),
        _forest_section(document, drawings),
        _classes_section(document, drawings),
        _probabilities_section(document, drawings),
        _cost_section(document, drawings),
        *_interactions_section(document),
        *_ungrouped_section(document),
        _methods_section(document),
        _warnings_section(document),
    ]
    plans = [row["name"] for row in document["rows"] if row["kind"] == "plan"]
    html = render_page(
        title=shorten(document["data"]["name"], 80),
        kicker="imbtk compare",
        subtitle=" | ".join(map(one_line, plans)),
        lead=_lead(document),
        tiles=_tiles(document),
        sections=sections,
        source="the comparison folder",
    )
    drawings.write(folder / "plots")
    page = folder / "report.html"
    write_atomically(page, html.encode("utf-8"))
    return page


def _lead(document: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [Text(" ".join(headline_sentences(document)))]
    if document["unit"] == "row":
        blocks.append(
            Banner("These figures assume that no two rows come from one patient.", "warning", "Patients unknown")
        )
    for row in document["rows"]:
        if not row["complete"]:
            blocks.append(Banner(f"{sentence(row['reason'])} It is in no figure below.", "error", f"“{row['name']}”"))
    return blocks


def _tiles(document: Mapping[str, Any]) -> Tiles:
    data = document["data"]
    noun = "Images" if data["kind"] == "images" else "Rows"
    known = [plural(data["groups"], "patient")] if data["groups"] else ["patients unknown"]
    tiles = [Tile(noun, f"{data['rows']:,}", (*known, plural(len(data["class_names"]), "class")))]
    primary, name = document["primary"], document["primary_name"]
    rows = [row for row in document["rows"] if row["complete"]]
    chosen = [row for row in rows if row["kind"] in ("baseline", "decision")]
    best = [row for row in rows if row["kind"] == "plan"][:1]
    for row in (*chosen[::-1], *best):
        figure = row["figures"][primary]
        words = {"baseline": "nothing (baseline)", "decision": "nothing, decision moved"}.get(row["kind"], "best plan")
        extra = [shorten(row["name"], 28)] if row["kind"] == "plan" else []
        lines = (interval_text(document, figure) or "no interval", *extra, row.get("verdict") or "")
        tiles.append(
            Tile(f"{name.capitalize()}: {words}", value_text(document, figure), tuple(line for line in lines if line))
        )
    return Tiles(tuple(tiles))


def _table_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    primary, names = document["primary"], document["data"]["class_names"]
    rest = [m for m in ("auroc", "log_loss") if m != primary]
    shown = range(len(names)) if len(names) <= 3 else ()
    head = [Cell("plan"), *[Cell(text, look="number") for text in (METRICS[primary], "difference")], Cell("verdict")]
    head += [Cell(f"sensitivity {shorten(names[k], 16)}", look="number") for k in shown]
    head += [Cell(METRICS[m], look="number") for m in rest]
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
    blocks.append(Details("All figures", (_figures_table(document, best),)))
    detail = _test_rows(document)
    if detail:
        blocks.append(Details("All tests, secondary ones among them", (detail,)))
    blocks += [
        Banner(f"{sentence(left['reason'])}", "note", f"Left out: “{left['plan']}”") for left in document["left_out"]
    ]
    return Section("Which plans help", "table", tuple(blocks))


def _figures_table(document: Mapping[str, Any], best: Mapping[str, str]) -> Table:
    head = [Cell("plan"), *[Cell(name, look="number") for name in METRICS.values()]]
    rows = [
        (
            name_cell(row["name"], 40),
            *[_figure_cell(document, row, metric, row["figures"][metric], best) for metric in METRICS],
        )
        for row in document["rows"]
        if row["complete"]
    ]
    return Table(tuple(head), tuple(rows))


def _figure_cell(
    document: Mapping[str, Any], row: Mapping[str, Any], key: str, figure: Mapping[str, Any], best: Mapping[str, str]
) -> Cell:
    star = "★ " if best.get(key) == row["name"] else ""
    return Cell(star + value_text(document, figure), reason_of(figure), "number", sub=interval_text(document, figure))


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
        _figure_cell(document, row, primary, row["figures"][primary], best),
        Cell(value, look="number", sub=interval),
        Cell(row.get("verdict") or "the baseline", sub="" if p is None else f"p {p_value(p)}"),
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


def _forest_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    rows = [row for row in document["rows"] if row.get("difference") and row["difference"]["value"] is not None]
    data = (
        ("plan", "difference", "low", "high"),
        [(r["name"], r["difference"]["value"], *(r["difference"]["interval"] or ("", ""))) for r in rows],
    )
    shaded = " Shaded: the margin." if document["margin"] is not None else ""
    plot = drawings.add(
        "forest",
        plots.forest(document),
        data,
        f"Differences to the baseline, paired over {document['unit']}s, with 95 % intervals.{shaded} The verdict comes "
        "from the permutation test, adjusted for the number of rows; an interval is not adjusted.",
        title="Differences to the baseline",
        width="wide",
    )
    found = [r["difference"]["detectable"] for r in rows if r["difference"]["detectable"] is not None]
    power = (
        f"A true difference had to be {size_text(document, min(found))}"
        + (f" to {size_text(document, max(found))}" if len(found) > 1 else "")
        + " for this comparison to find it with 80 % power (one test at 5 %, from the standard error of the paired "
        "difference). “No evidence of a difference” does not mean that there is none."
        if found
        else "What this comparison could have detected cannot be said."
    )
    return Section("By how much", "differences", (plot, Text(power)))


def _classes_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    rows = plots.judged_rows(document, plots.MOST_PLANS)
    names = document["data"]["class_names"]
    table = [
        (row["name"], names[k], entry["sensitivity"]["value"], *(entry["sensitivity"].get("interval") or ("", "")))
        for row in plots.judged_rows(document)
        for k, entry in enumerate(row["per_class"])
    ]
    counts = [
        (row["name"], names[i], *line) for row in plots.judged_rows(document) for i, line in enumerate(row["confusion"])
    ]
    some = "" if len(rows) == len(plots.judged_rows(document)) else " The best plans are drawn; all stand in plots/."
    return Section(
        "Class by class",
        "classes",
        (
            drawings.add(
                "sensitivities",
                plots.sensitivities(document),
                (("plan", "class", "sensitivity", "low", "high"), table),
                f"Sensitivity of each class, most frequent in training first, mean over repeats.{some}",
                title="Sensitivities",
                width="wide",
            ),
            drawings.add(
                "confusions",
                plots.confusions(document),
                (("plan", "truth", *names), counts),
                "Share of each true class (row, in per cent) that was decided as each class (column), mean over "
                "repeats.",
                title="Confusion matrices, with and without",
                width="wide",
            ),
        ),
    )


def _probabilities_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    curves = document["curves"]
    roc = [(n, x, y) for n, c in curves.items() for x, y in zip(c["roc"]["x"], c["roc"]["y"] or (), strict=False)]
    bins = [(n, b["confidence"], b["frequency"], b["n"]) for n, c in curves.items() for b in c["reliability"]]
    return Section(
        "Probabilities",
        "probabilities",
        (
            drawings.add(
                "roc",
                plots.roc_curves(document),
                (("plan", "false_positive_rate", "sensitivity"), roc),
                "Mean ROC curves over folds and repeats, with the mean AUROC. Moving the decision does not change "
                "them.",
            ),
            drawings.add(
                "reliability",
                plots.reliability_curves(document),
                (("plan", "predicted", "observed", "n"), bins),
                "Where a model says 30 %, it should happen in 30 of 100 cases: on the dotted line. Points of fewer "
                "than 10 "
                "rows (with repeats) are left out.",
            ),
        ),
    )


def _cost_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    rows = plots.judged_rows(document)
    table = [(r["name"], r["figures"][document["primary"]]["value"], *r["cost"].values()) for r in rows]
    plot = drawings.add(
        "cost",
        plots.cost(document),
        (("plan", document["primary"], "seconds", "samples_per_second", "relative"), table),
        "Seconds of one training, mean over all cells. Moving the decision costs nothing more than the baseline.",
        width="wide",
    )
    head = [
        Cell(t, look="number" if i else "text")
        for i, t in enumerate(("plan", "seconds", "samples / s", "times the baseline"))
    ]
    lines = [
        (
            name_cell(row["name"], 40),
            Cell(f"{row['cost']['seconds']:.3g}", look="number"),
            Cell(f"{row['cost']['samples_per_second']:,.0f}", look="number"),
            Cell(f"{row['cost']['relative']:.2f}", look="number"),
        )
        for row in rows
        if row["kind"] != "decision"
    ]
    return Section("What it costs", "cost", (plot, Table(tuple(head), tuple(lines))))


def _interactions_section(document: Mapping[str, Any]) -> list[Section]:
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


def _ungrouped_section(document: Mapping[str, Any]) -> list[Section]:
    ungrouped = document["ungrouped"]
    if not ungrouped:
        return []
    if ungrouped["reason"]:
        return [Section("Patients ignored", "ungrouped", (Text(f"{sentence(ungrouped['reason'])}"),))]
    names, name = document["data"]["class_names"], document["primary_name"]
    shown = range(len(names)) if len(names) <= 3 else ()
    head = ["plan", f"{name}, patients kept apart", f"{name}, patients ignored", "flattered by"]
    head += [f"sensitivity {shorten(names[k], 16)}, ignored" for k in shown]
    grouped = {row["name"]: row for row in document["rows"] if row["complete"]}
    rows = [_leak_row(document, row, grouped, shown) for row in ungrouped["rows"] if row["complete"]]
    lead = Text(
        "The same plans, with rows dealt into folds as if nobody knew which come from one patient: a patient's rows "
        "stand "
        "on both sides, and the network is tested on what it has seen. The interval in the second column is the one "
        "that "
        "such a study would print, over rows; the last but one is honest, over patients."
    )
    table = Table(tuple(Cell(t, look="number" if i else "text") for i, t in enumerate(head)), tuple(rows))
    banners = [Banner(sentence(r["reason"]), "error", f"“{r['name']}”") for r in ungrouped["rows"] if not r["complete"]]
    return [Section("Patients ignored: the leak, shown", "ungrouped", (lead, table, *banners))]


def _leak_row(
    document: Mapping[str, Any], row: Mapping[str, Any], grouped: Mapping[str, Any], shown: Sequence[int]
) -> tuple[Cell, ...]:
    honest = grouped[row["name"]]["figures"][document["primary"]]
    flatter = row["flatters_by"]
    between = f"{points(flatter['interval'][0])} to {points(flatter['interval'][1])}" if flatter["interval"] else ""
    return (
        name_cell(row["name"], 40),
        Cell(value_text(document, honest), look="number", sub=interval_text(document, honest)),
        Cell(value_text(document, row["figure"]), look="number", sub=interval_text(document, row["figure"])),
        Cell(points(flatter["value"]), look="number", sub=between),
        *[
            Cell("–" if row["sensitivities"][k] is None else f"{row['sensitivities'][k]:.2f}", look="number")
            for k in shown
        ],
    )


def _methods_section(document: Mapping[str, Any]) -> Section:
    facts = tuple((one_line(k), one_line(v)) for k, v in document["protocol"].items() if v not in (None, [], False))
    return Section(
        "Methods",
        "methods",
        (
            *[Text(text) for text in document["methods"]],
            Text(sentence(document["conditional_on"]), "quiet"),
            Details("All options", (Facts(facts),)),
        ),
    )


def _warnings_section(document: Mapping[str, Any]) -> Section:
    found = tuple(Banner(sentence(text), "warning") for text in document["warnings"])
    return Section("Warnings", "warnings", found or (Text("None."),))
