"""The files of a comparison beside its cells: ``comparison.json``, ``.csv``, ``.md`` and the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbtk.comparison.analysis import analyse
from imbtk.comparison.page import make_page
from imbtk.comparison.table import csv_text, markdown_table
from imbtk.comparison.words import unit_noun
from imbtk.files import write_atomically, write_json
from imbtk.runs.format import COMPARISON
from imbtk.wording import sentence, several

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["write_results"]


def write_results(folder: Path, offered: Mapping[str, ExtraMetric] | None = None) -> dict[str, Any]:
    """Analyse the cells of a folder, write all files, and return the document; `offered` as for :func:`analyse`.

    Raises
    ------
    RunFolderError
        If the folder is no comparison, or its baseline is not done.
    """
    document = analyse(folder, offered)
    write_json(folder / COMPARISON, document)
    write_atomically(folder / "comparison.csv", csv_text(document).encode())
    write_atomically(folder / "comparison.md", (markdown_table(document) + "\n\n" + _below(document) + "\n").encode())
    make_page(folder, document)
    return document


def _below(document: Mapping[str, Any]) -> str:
    """Return what has to stand below the table wherever it is copied to."""
    lines = [
        f"In brackets 95 % intervals over {several(unit_noun(document))}, given these trained models; p: paired "
        "permutation test of the difference to the baseline, Holm-adjusted.",
        *map(sentence, document["warnings"]),
    ]
    return "\n".join(f"- {line}" for line in lines)
