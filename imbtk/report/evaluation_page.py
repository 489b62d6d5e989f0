"""The page of a trained run on new data: the sections of a run's page that speak of results, on other rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbtk.report.blocks import Banner, Block, Cell, Details, Facts, Section, Table, Text, name_cell
from imbtk.report.curve_sections import curves_section
from imbtk.report.decision_section import decision_section
from imbtk.report.drawings import Drawings
from imbtk.report.headline import warnings_of
from imbtk.report.page import warnings_section, write_page
from imbtk.report.result_sections import confusion_section, mistakes_section, per_class_section
from imbtk.runs.reading import RunRecord
from imbtk.wording import one_line, per_cent, plural, several, shorten

__all__ = ["make_evaluation_page", "prior_words"]

_MOST_UNREADABLE = 50


def make_evaluation_page(record: RunRecord, document: Mapping[str, Any]) -> Path:
    """Write ``report.html`` and ``plots/`` into the folder of an evaluation.

    Parameters
    ----------
    record : RunRecord
        With the new rows as test rows.
    document : mapping
        What ``evaluation.json`` holds.

    Returns
    -------
    Path
        The page.
    """
    drawings = Drawings()
    sections = [
        _about_section(record, document),
        per_class_section(record, drawings),
        confusion_section(record, drawings),
        curves_section(record, drawings),
        decision_section(record, drawings),
        mistakes_section(record, drawings),
    ]
    if document.get("prior"):
        sections.insert(1, _prior_section(document["prior"]))
    sections.append(warnings_section(warnings_of(record)))
    subtitle = f"the model of {one_line(document['run'])}"
    return write_page(record, drawings, "imbtk evaluation on new data", subtitle, _banners(record, document), sections)


def _banners(record: RunRecord, document: Mapping[str, Any]) -> list[Block]:
    banners: list[Block] = []
    met = document["seen"]
    if met["said"]:
        title = "Not new to the model" if met["refused"] else ""
        flatters = " These metrics flatter the model." if met["refused"] else ""
        banners.append(Banner(met["said"] + flatters, "error" if met["refused"] else "note", title))
    if not record.groups_known:
        text = f"These metrics assume that no two {record.noun}s come from one {record.group_noun}."
        banners.append(Banner(text, "warning", f"{several(record.group_noun).capitalize()} unknown"))
    if missing := document["missing_classes"]:
        named = ", ".join(f"“{shorten(name, 30)}”" for name in missing[:10])
        text = f"The data have no {record.noun} of {named}: metrics of such a class, and means over all, are missing."
        banners.append(Banner(text, "warning", "Classes without a case"))
    if lost := document["unreadable"]:
        banners.append(Banner(f"{plural(len(lost), record.noun)} could not be read and are left out.", "warning"))
    return banners


def _about_section(record: RunRecord, document: Mapping[str, Any]) -> Section:
    grouped = "unknown" if document["groups"] is None else str(document["groups"])
    prior = ", ".join(
        f"{shorten(name, 20)} {per_cent(share)}"
        for name, share in list(zip(document["class_names"], document["deployment_prior"], strict=True))[:20]
    )
    facts = (
        ("Data", one_line(document["data"])),
        (f"{record.noun.capitalize()}s", f"{document['rows']:,}"),
        (several(record.group_noun).capitalize(), grouped),
        ("Model", one_line(document["run"])),
        ("Decision", one_line(document["decision"]["name"])),
        ("Probabilities are for", prior),
    )
    blocks: list[Block] = [
        Text(
            "The model, its calibration and its decision are those of the training: nothing was fitted on these data. "
            f"Here “test” stands for the new {record.noun}s."
        ),
        Facts(facts),
    ]
    if lost := document["unreadable"]:
        rows = tuple((name_cell(name), Cell(one_line(reason))) for name, reason in lost[:_MOST_UNREADABLE])
        blocks.append(Details("What could not be read", (Table((Cell("Row"), Cell("Reason")), rows),)))
    return Section("What was evaluated", "evaluated", tuple(blocks))


def prior_words(prior: Mapping[str, Any]) -> list[str]:
    """Return in sentences what an estimate of class frequencies assumes and what was found about that."""
    said = [str(prior["assumption"])]
    found = prior["confidence"]
    if found is None:
        said.append("It could not be checked: the run has no labelled rows of a class that matters.")
    else:
        figures = (
            f"the mean largest probability is {found['seen']:.3f}, and would be {found['expected']:.3f} if only class "
            f"frequencies differed (z = {found['z']:.1f}, p = {found['p_value']:.2g})"
        )
        said.append(
            f"It does not hold here: {figures}. Do not rely on the estimate."
            if prior["doubtful"]
            else f"Nothing speaks against it here: {figures}. That does not prove it."
        )
    p_value = prior["unchanged"]["p_value"]
    changed = "differ" if p_value < 0.05 else "are not shown to differ"
    said.append(
        f"By a likelihood-ratio test, which takes rows as independent, the class frequencies {changed} from those of "
        f"the training (p = {p_value:.2g})."
    )
    outside = [
        c["name"]
        for c in prior["classes"]
        if c["in_data"] is not None and c["interval"] and not c["interval"][0] <= c["in_data"] <= c["interval"][1]
    ]
    if outside:
        named = ", ".join(f"'{name}'" for name in outside[:10])
        said.append(f"The labels say otherwise for {named}: the true share lies outside the interval.")
    return said


def _prior_section(prior: Mapping[str, Any]) -> Section:
    rows = tuple(
        (
            name_cell(c["name"]),
            Cell(per_cent(c["in_training"]), look="number"),
            Cell(per_cent(c["estimate"]), look="number", sub=_between(c["interval"])),
            Cell(per_cent(c["in_data"]), look="number"),
        )
        for c in prior["classes"]
    )
    head = (Cell("Class"), *(Cell(word, look="number") for word in ("In training", "Estimated here", "By the labels")))
    first, *rest = prior_words(prior)
    blocks: list[Block] = [Text(first), Table(head, rows, "Share of each class")]
    blocks += [Banner(rest[0], "error" if prior["doubtful"] else "note"), *(Text(text) for text in rest[1:])]
    return Section("Class frequencies, estimated without labels", "prior", tuple(blocks))


def _between(interval: list[float] | None) -> str:
    return "" if interval is None else f"{per_cent(interval[0])} to {per_cent(interval[1])}"
