"""Sections of plugins as data: written, read, refused where they are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from imbtk.errors import RunFolderError
from imbtk.report.blocks import Plot, Table, Text
from imbtk.report.drawings import Drawings
from imbtk.report.extra_sections import Additions, ExtraSection, extra_sections, read_additions, write_additions
from imbtk.report.page import make_report

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt">{}</svg>'


def document(*blocks: object) -> str:
    """Return a ``sections.json`` of one section."""
    return json.dumps({"schema_version": 1, "sections": [{"title": "Theirs", "blocks": blocks}], "failures": []})


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
        (document({"kind": "text", "text": 1}), "a text is expected where int stands"),
        (document({"kind": "video"}), "there is no kind of block 'video'"),
        (document({"kind": "table", "rows": []}), "a table has no rows"),
        (document({"kind": "text"}), r"KeyError: 'text'"),
        (
            document({"kind": "figure", "name": "extra_1_1", "svg": "<svg/>"}),
            "figure extra_1_1 cannot be shown: it is no SVG",
        ),
    ],
)
def test_a_broken_file_is_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sections.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        read_additions(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../../outside",
        "/outside",
        "..",
        "",
        "extra_1_1/../../x",
        "a/b",
        "a\\b",
        "report",
        "extra_1_1.html",
        "extra_1_1\n",
    ],
)
def test_a_figure_is_never_written_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "sections.json").write_text(document({"kind": "figure", "name": name, "svg": SVG.format("")}))
    with pytest.raises(RunFolderError, match=r"a figure is named '.*', which is no name that imbtk gives one"):
        read_additions(tmp_path)


@pytest.mark.parametrize("name", ["../x.svg", "/x.svg", "a/b.svg", "x.html", "x", ".."])
def test_no_drawing_leaves_its_folder(name: str, tmp_path: Path) -> None:
    drawings = Drawings()
    drawings.files[name] = b""
    with pytest.raises(ValueError, match="is no name of a file in plots"):
        drawings.write(tmp_path / "plots")
    assert [path.name for path in tmp_path.rglob("*")] == ["plots"]


def test_a_page_from_a_strangers_folder_has_no_script_and_fetches_nothing(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    evil = '<script>evil()</script><a href="javascript:evil()"><rect onclick="evil()" width="7"/></a>'
    blocks = [
        {"kind": "figure", "name": "extra_1_1", "svg": SVG.format(evil)},
        {"kind": "text", "text": "<script>alert(1)</script>"},
        {"kind": "table", "rows": [["<b>head</b>"], ["<img src=x onerror=alert(1)>"]]},
    ]
    (folder / "sections.json").write_text(document(*blocks))
    page = make_report(folder).read_text(encoding="utf-8")
    for text in (page, (folder / "plots" / "extra_1_1.svg").read_text()):
        assert '<rect width="7">' in text
        assert "evil" not in text
        assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<img src=x" not in page
    assert """content="default-src 'none'; img-src data:; style-src 'unsafe-inline';""" in page


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_place_of_plots_is_not_followed(there: bool, make_run: Callable[..., Path], tmp_path: Path) -> None:
    folder, outside = make_run(), tmp_path / "outside"
    if there:
        outside.mkdir()
    (folder / "plots").symlink_to(outside)
    with pytest.raises(RunFolderError, match=r"plots' is a link, and nothing is written there\. Delete it"):
        make_report(folder)
    assert not there or list(outside.iterdir()) == []
    (folder / "plots").unlink()
    (folder / "plots").touch()
    with pytest.raises(RunFolderError, match=r"plots' is no folder"):
        make_report(folder)


def test_a_link_in_place_of_a_file_is_replaced(make_run: Callable[..., Path], tmp_path: Path) -> None:
    folder, mine = make_run(), tmp_path / "mine"
    mine.write_text("mine")
    make_report(folder)
    for name in ("report.html", "plots/class_distribution.svg"):
        (folder / name).unlink()
        (folder / name).symlink_to(mine)
    make_report(folder)
    assert mine.read_text() == "mine"
    assert not (folder / "report.html").is_symlink()
