"""Tests of how an audit looks."""

from __future__ import annotations

from imbtk.audit.findings import Audit, Finding, FindingTable
from imbtk.audit.rendering import verdict

HOSTILE = "<script>alert('x')</script>"
WARNING = Finding("a", HOSTILE, "warning", f"See {HOSTILE}.", FindingTable(("class", HOSTILE), ((HOSTILE, 12345),)))
ERROR = Finding("b", "It leaks", "error", "Mend\nit. " * 30)
LONG = Finding("c", "Many", "ok", "Many.", FindingTable(("n", "share"), tuple((f"row {n}", 0.25) for n in range(20))))


def test_text_keeps_to_80_columns_and_shows_all() -> None:
    text = str(Audit("data", {}, (WARNING, ERROR, LONG)))
    assert max(map(len, text.split("\n"))) <= 80
    assert "12,345" in text
    assert "row 11" in text
    assert "row 12" not in text
    assert "… 8 more" in text
    assert " ".join(text.split()).endswith("Results on these data as they are would be a lie, or there would be none.")


def test_markup_in_names_is_no_markup() -> None:
    assert "[red]" in str(Audit("[red]x[/red]", {}, ()))
    page = Audit(HOSTILE, {}, (WARNING, ERROR))._repr_html_()
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 5


def test_the_verdict_counts() -> None:
    assert verdict(Audit("data", {}, (LONG,))) == "Nothing to worry about."
    assert verdict(Audit("data", {}, (WARNING, WARNING))) == "2 warnings."
    assert verdict(Audit("data", {}, (WARNING, ERROR))).startswith("1 error and 1 warning. Results")
