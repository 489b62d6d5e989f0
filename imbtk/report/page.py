"""The page of a run: one self-contained HTML file, made from the run folder alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from imbtk._version import __version__
from imbtk.evaluation.estimate import estimate_of
from imbtk.files import write_atomically
from imbtk.report.blocks import Banner, Block, Details, Facts, Section, Text, Tiles
from imbtk.report.calibration_section import calibration_section
from imbtk.report.curve_sections import curves_section
from imbtk.report.data_sections import data_name, data_section, split_section
from imbtk.report.decision_section import decision_section
from imbtk.report.drawings import Drawings
from imbtk.report.estimate_section import estimate_section
from imbtk.report.extra_sections import extra_sections, read_additions
from imbtk.report.headline import headline_tiles, verdict_sentences, warnings_of
from imbtk.report.palette import DARK, LIGHT
from imbtk.report.result_sections import (
    confusion_section,
    examples_section,
    learning_section,
    mistakes_section,
    per_class_section,
)
from imbtk.report.setup_sections import asked_section, classes_section
from imbtk.runs.reading import RunRecord, read_run
from imbtk.wording import one_line, plural, sentence, several, shorten

__all__ = ["make_report", "render_page", "warnings_section", "whole", "write_page"]

_LONGEST = 28
_HYPHENED = re.compile(r"((?<!\S)--[a-z]+(?:-[a-z]+)*|(?<!\S)[a-z0-9]+(?:-[a-z0-9]+)+)")


def make_report(run_folder: Path) -> Path:
    """Write ``report.html`` and ``plots/`` into a run folder.

    Parameters
    ----------
    run_folder : Path
        Of a run that came to its end. Neither the data nor any plugin is needed: what plugins added was kept.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunFolderError
        If the folder is incomplete or broken, or a newer imbtk wrote it.
    """
    record = read_run(Path(run_folder))
    additions = read_additions(record.folder)
    drawings = Drawings()
    body = [
        asked_section(record),
        data_section(record),
        classes_section(record, drawings),
        split_section(record),
        learning_section(record, drawings),
        *_results(record, drawings),
        calibration_section(record),
        decision_section(record, drawings),
        examples_section(record, drawings),
        *([] if estimate_of(record.metrics) else [mistakes_section(record, drawings)]),
        *extra_sections(additions, drawings),
        warnings_section([*map(sentence, additions.failures), *warnings_of(record)]),
        _configuration_section(record),
    ]
    strategies = [str(s.get("spec") or s.get("name")) for s in record.plan.get("strategies", ())]
    subtitle = " + ".join(one_line(spec) for spec in strategies) or "baseline, no strategy"
    banners = _header_banners(record, additions.failures)
    return write_page(record, drawings, "imbtk run", subtitle, banners, body)


def write_page(
    record: RunRecord,
    drawings: Drawings,
    kicker: str,
    subtitle: str,
    banners: Sequence[Block],
    sections: Sequence[Section],
) -> Path:
    """Write the page of a record with its metrics into the record's folder; return its path."""
    html = render_page(
        title=shorten(data_name(record), 80),
        kicker=kicker,
        subtitle=subtitle,
        lead=[*verdict_sentences(record), *banners],
        tiles=headline_tiles(record),
        sections=sections,
    )
    drawings.write(record.folder / "plots")
    page = record.folder / "report.html"
    write_atomically(page, html.encode("utf-8"))
    return page


def _results(record: RunRecord, drawings: Drawings) -> list[Section]:
    """Return what the model reaches: on its own rows, or, where all were for training, what a comparison found."""
    if (found := estimate_of(record.metrics)) is not None:
        return [estimate_section(found)]
    return [
        per_class_section(record, drawings),
        confusion_section(record, drawings),
        curves_section(record, drawings),
    ]


def render_page(
    *,
    title: str,
    kicker: str,
    subtitle: str,
    lead: Sequence[Block],
    tiles: Tiles,
    sections: Sequence[Section],
    source: str = "the run folder",
) -> str:
    """Return a page of sections as HTML; everything but the figures' own SVG is escaped.

    Parameters
    ----------
    title, kicker, subtitle : str
        The heading, a line above it and a line below it.
    lead : sequence of Block
        What is said first.
    tiles : Tiles
        The headline metrics.
    sections : sequence of Section
    source : str
        What the page is made from, for its foot.
    """
    environment = Environment(
        loader=PackageLoader("imbtk.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole"] = whole
    return environment.get_template("page.html").render(
        title=title,
        kicker=kicker,
        subtitle=subtitle,
        lead=lead,
        tiles=tiles,
        sections=sections,
        source=source,
        light=LIGHT,
        dark=DARK,
        version=__version__,
    )


def whole(text: str) -> Markup:
    """Return a text as HTML in which options and names of strategies are not broken in two.

    Examples
    --------
    >>> str(whole("say --group-label <any>"))
    'say <span class="whole">--group-label</span> &lt;any&gt;'
    """
    marked = [
        Markup('<span class="whole">{}</span>').format(part) if place % 2 and len(part) <= _LONGEST else escape(part)
        for place, part in enumerate(_HYPHENED.split(text))
    ]
    return Markup("").join(marked)


def _header_banners(record: RunRecord, failures: Sequence[str]) -> list[Block]:
    found: list[Block] = [Banner(sentence(text), "warning", "A plugin failed") for text in failures]
    if not record.groups_known:
        found.append(
            Banner(
                f"These metrics assume that no two {record.noun}s come from one {record.group_noun}.",
                "warning",
                f"{several(record.group_noun).capitalize()} unknown",
            )
        )
    said = [sentence(text) for text in record.plan.get("warnings", ())]
    found += [Banner(text, "warning") for text in said[:3]]
    if len(said) > 3:
        found.append(Banner(f"{plural(len(said) - 3, 'more warning')}, under Warnings.", "warning"))
    return found


def warnings_section(found: Sequence[str]) -> Section:
    """Return the section of all warnings."""
    blocks: tuple[Block, ...] = tuple(Banner(text, "warning") for text in found)
    return Section("Warnings", "warnings", blocks or (Text("None."),))


def _configuration_section(record: RunRecord) -> Section:
    config = tuple((one_line(key), _plain(value)) for key, value in record.config.items() if value is not None)
    environment = tuple((one_line(key), _plain(value)) for key, value in record.environment.items())
    return Section(
        "To repeat this run",
        "configuration",
        (
            Text("The run folder holds config.toml; imbtk run -c config.toml repeats the run."),
            Details("Configuration", (Facts(config),)),
            Details("Environment", (Facts(environment),)),
        ),
    )


def _plain(value: object) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
