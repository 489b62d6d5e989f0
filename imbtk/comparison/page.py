"""The page of a comparison: one self-contained HTML file, made from ``comparison.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbtk.comparison import columns, plots
from imbtk.comparison.page_tables import interactions_section, page_table, table_section, ungrouped_section
from imbtk.comparison.words import headline_sentences, model_commands, row_noun, unit_noun
from imbtk.files import write_atomically
from imbtk.report.blocks import Banner, Block, Cell, Details, Facts, Section, Table, Text, Tile, Tiles
from imbtk.report.drawings import Drawings
from imbtk.report.page import render_page
from imbtk.runs.format import REPORT
from imbtk.wording import one_line, plural, sentence, several, shorten

__all__ = ["make_page"]

_MOST_BANNERS = 3


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
        table_section(document, drawings),
        _forest_section(document, drawings),
        _classes_section(document, drawings),
        _probabilities_section(document, drawings),
        _cost_section(document, drawings),
        *interactions_section(document),
        *ungrouped_section(document),
        _model_section(document, folder),
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
    page = folder / REPORT
    write_atomically(page, html.encode("utf-8"))
    return page


def _lead(document: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [Text(" ".join(headline_sentences(document)))]
    noun = document["data"]["group_name"]
    if not document["data"]["groups"]:
        blocks.append(
            Banner(
                f"These metrics assume that no two {several(row_noun(document['data']))} come from one {noun}.",
                "warning",
                f"{several(noun).capitalize()} unknown",
            )
        )
    # What is said of the groups above is not said twice.
    said = [sentence(text) for text in document["warnings"] if not text.startswith(f"{several(noun)} are not known")]
    blocks += [Banner(text, "warning") for text in said[:_MOST_BANNERS]]
    if len(said) > _MOST_BANNERS:
        blocks.append(Banner(f"{plural(len(said) - _MOST_BANNERS, 'more warning')}, under Warnings.", "warning"))
    for row in document["rows"]:
        if not row["complete"]:
            blocks.append(Banner(f"{sentence(row['reason'])} It is in no metric below.", "error", f"“{row['name']}”"))
    return blocks


def _tiles(document: Mapping[str, Any]) -> Tiles:
    data = document["data"]
    known = [plural(data["groups"], data["group_name"]) if data["groups"] else f"{several(data['group_name'])} unknown"]
    known.append(plural(len(data["class_names"]), "class"))
    tiles = [Tile(several(row_noun(data)).capitalize(), f"{data['rows']:,}", tuple(known))]
    primary, name = document["primary"], document["primary_name"]
    rows = [row for row in document["rows"] if row["complete"]]
    chosen = [row for row in rows if row["kind"] in ("baseline", "decision")]
    best = [row for row in rows if row["kind"] == "plan"][:1]
    for row in (*chosen[::-1], *best):
        value, interval = columns.metric_texts(document, primary, row["figures"][primary])
        words = {"baseline": "nothing (baseline)", "decision": "nothing, decision moved"}.get(row["kind"], "best plan")
        extra = [shorten(row["name"], 28)] if row["kind"] == "plan" else []
        lines = (interval or "no interval", *extra, row.get("verdict") or "")
        tiles.append(Tile(f"{name.capitalize()}: {words}", value, tuple(line for line in lines if line)))
    return Tiles(tuple(tiles))


def _forest_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    rows = [row for row in document["rows"] if columns.value_at(row, "difference.value") is not None]
    data = (
        ("plan", "difference", "low", "high"),
        [(r["name"], r["difference"]["value"], *(r["difference"]["interval"] or ("", ""))) for r in rows],
    )
    shaded = " Shaded: the margin." if document["margin"] is not None else ""
    plot = drawings.add(
        "forest",
        plots.forest(document),
        data,
        f"Differences to the baseline, paired over {several(unit_noun(document))}, with 95 % intervals.{shaded} The "
        "verdict comes from the permutation test, adjusted for the number of rows; an interval is not adjusted.",
        title="Differences to the baseline",
        width="wide",
    )
    found = columns.detectable_text(document)
    power = (
        f"A true difference had to be {found} for this comparison to find it with 80 % power (one test at 5 %, from "
        "the standard error of the paired difference). “No evidence of a difference” does not mean that there is none."
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
                "Mean ROC curves over folds and repeats, with the mean AUROC. Dots: where decisions are; moving them "
                "changes no curve.",
            ),
            *_precision_recall(document, drawings),
            drawings.add(
                "reliability",
                plots.reliability_curves(document),
                (("plan", "predicted", "observed", "n"), bins),
                "Where a model says 30 %, it should happen in 30 of 100 cases: on the dotted line. Points of fewer "
                f"than 10 {several(row_noun(document['data']))} (with repeats) are left out.",
            ),
        ),
    )


def _precision_recall(document: Mapping[str, Any], drawings: Drawings) -> list[Block]:
    """Return the precision-recall curves of the positive class; none where no class is the positive one."""
    if document["data"]["positive_class"] is None:
        return []
    points = [
        (name, x, y)
        for name, curves in document["curves"].items()
        for x, y in zip(curves["precision_recall"]["x"], curves["precision_recall"]["y"] or (), strict=False)
    ]
    caption = (
        "Mean precision at equal sensitivities over folds and repeats, with the mean AUPRC: of the cases called so, "
        "the share that are. Dotted: calling all. Dots: where the decisions are."
    )
    plot = plots.precision_recall_curves(document)
    return [drawings.add("precision_recall", plot, (("plan", "sensitivity", "precision"), points), caption)]


def _cost_section(document: Mapping[str, Any], drawings: Drawings) -> Section:
    rows = plots.judged_rows(document)
    drawn = [(r["name"], r["figures"][document["primary"]]["value"], *r["cost"].values()) for r in rows]
    plot = drawings.add(
        "cost",
        plots.cost(document),
        (("plan", document["primary"], "seconds", "samples_per_second", "relative"), drawn),
        "Seconds of one training, mean over all cells. Moving the decision costs nothing more than the baseline.",
        width="wide",
    )
    trained = [row for row in rows if row["kind"] != "decision"]
    table = page_table(columns.of(document, ("plan", "seconds", "samples_per_second", "relative")), trained)
    return Section("What it costs", "cost", (plot, table))


def _model_section(document: Mapping[str, Any], folder: Path) -> Section:
    lines = tuple((Cell(what), Cell(command, look="code")) for what, command in model_commands(document, folder))
    noun = several(row_noun(document["data"]))
    text = (
        f"Each command trains one row on all {noun} of the data and keeps the metrics of this page as its estimate. "
        "The same works for every row of the table. Probabilities and thresholds are fitted on what the models of the "
        f"first repeat said of {noun} that they had not seen."
    )
    return Section("The model", "model", (Text(text), Table((Cell("What"), Cell("Command")), lines)))


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
