"""The page of a comparison."""

from __future__ import annotations

import html
from html.parser import HTMLParser
from pathlib import Path

from imbtk.comparison.comparison import Comparison
from imbtk.comparison.page import make_page


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.sources += [value for key, value in found.items() if key in ("src", "href") and value]
        if tag == "section" and found.get("id"):
            self.anchors.append(str(found["id"]))


def test_the_page_is_self_contained_and_has_every_part(finished: Comparison) -> None:
    page = _Page()
    text = (finished.folder / "report.html").read_text(encoding="utf-8")
    page.feed(text)
    assert all(source.startswith("#") for source in page.sources)
    assert page.anchors == [
        "table", "differences", "classes", "probabilities", "cost", "pairs", "ungrouped", "model", "methods",
        "warnings",
    ]  # fmt: skip
    assert text.count("<svg") == 7
    plain = html.unescape(text.replace('<span class="whole">', "").replace("</span>", ""))
    for sentence in finished.document["methods"]:
        assert sentence in plain


def test_what_must_be_known_of_the_figures_stands_above_them(finished: Comparison, tmp_path: Path) -> None:
    said = ["the imbalance is induced", "patients are not known: and so on", "one", "two", "three"]
    text = make_page(tmp_path, {**finished.document, "warnings": said}).read_text(encoding="utf-8")
    lead, sections = text.split('id="table"', 1)
    assert "The imbalance is induced." in lead
    assert "1 more warning, under Warnings." in lead
    assert "are not known" not in lead
    assert "Three." not in lead
    assert "Three." in sections
