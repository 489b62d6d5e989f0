"""The tables of the page."""

from __future__ import annotations

from imbtk.comparison.comparison import Comparison
from imbtk.comparison.page_tables import interactions_section, table_section, ungrouped_section
from imbtk.report.blocks import Details, Table
from imbtk.report.drawings import Drawings


def test_the_main_table_has_a_row_a_plan_and_one_star_a_column(finished: Comparison) -> None:
    drawings = Drawings()
    table = table_section(finished.document, drawings).blocks[0]
    assert isinstance(table, Table)
    assert [row[0].text for row in table.rows] == [row["name"] for row in finished.document["rows"]]
    starred = [cell for row in table.rows for cell in row if cell.text.startswith("★")]
    assert len(starred) == 6
    assert "comparison.csv" in drawings.files


def test_secondary_tests_are_labelled_and_behind_a_click(finished: Comparison) -> None:
    details = [b for b in table_section(finished.document, Drawings()).blocks if isinstance(b, Details)]
    assert [d.summary for d in details] == ["All metrics", "All tests, secondary ones among them"]
    table = details[1].blocks[0]
    assert isinstance(table, Table)
    head = [cell.text for cell in table.head]
    assert "corrected t-test (secondary)" in head
    assert "equivalent, p (Holm)" in head
    assert not any("McNemar" in text for text in head)


def test_sections_that_were_not_asked_for_are_not_there(finished: Comparison) -> None:
    document = {**finished.document, "interactions": [], "ungrouped": None}
    assert interactions_section(document) == []
    assert ungrouped_section(document) == []


def test_unknown_groups_are_told(finished: Comparison) -> None:
    document = {**finished.document, "ungrouped": {"reason": "groups are not known", "rows": []}}
    (section,) = ungrouped_section(document)
    assert section.blocks[0].text == "Groups are not known."  # type: ignore[union-attr]
