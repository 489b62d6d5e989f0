"""Sections of plugins as data: written, read, refused where they are broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from imbtk.errors import RunFolderError
from imbtk.report.blocks import Plot, Table, Text
from imbtk.report.drawings import Drawings
from imbtk.report.extra_sections import Additions, ExtraSection, extra_sections, read_additions, write_additions


def test_what_is_written_is_read(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 2))
    figure.add_subplot().plot([0, 1])
    content = ["text", [("a", "b"), (1, 2.5)], figure]
    assert write_additions(tmp_path, [ExtraSection("One", content), ExtraSection("Two", "words")], ["it broke."]) == [
        "it broke."
    ]
    found = read_additions(tmp_path)
    assert found.failures == ["it broke."]
    drawings = Drawings()
    one, two = extra_sections(found, drawings)
    assert (one.title, one.anchor, two.anchor) == ("One", "extra-1", "extra-2")
    text, table, plot = one.blocks
    assert text == Text("text")
    assert isinstance(table, Table)
    assert [[cell.text for cell in row] for row in (table.head, *table.rows)] == [["a", "b"], ["1", "2.5"]]
    assert isinstance(plot, Plot)
    assert drawings.files["extra_1_3.svg"] == (tmp_path / "plots" / "extra_1_3.svg").read_bytes()
    assert two.blocks == (Text("words"),)


def test_nothing_is_written_for_nothing(tmp_path: Path) -> None:
    assert write_additions(tmp_path, []) == []
    assert list(tmp_path.iterdir()) == []
    assert read_additions(tmp_path) == Additions()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"sections.json cannot be read \(JSONDecodeError.*Delete it to make the page without the sections"),
        ('{"schema_version": 1}', r"cannot be read \(KeyError: 'sections'"),
        ('{"schema_version": 2}', "was made by a newer imbtk: update imbtk"),
    ],
)
def test_a_broken_file_is_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sections.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        read_additions(tmp_path)
