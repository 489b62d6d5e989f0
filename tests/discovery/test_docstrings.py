"""Tests of reading docstrings."""

from __future__ import annotations

from imbtk.discovery.docstrings import DocBlock, Entry, parse_blocks, parse_docstring, parse_entries

TEXT = """Return something,
    on two lines.

    More of it.

    And more.

    Parameters
    ----------
    x : ndarray, shape (N,)
        Input,
        described.
    y : int

    Notes
    -----
    A dash in text - is no heading.

    Second paragraph.
    """


def test_parts() -> None:
    doc = parse_docstring(TEXT)
    assert doc.summary == "Return something, on two lines."
    assert doc.extended == "More of it.\n\nAnd more."
    assert list(doc.sections) == ["Parameters", "Notes"]
    assert doc.sections["Notes"] == "A dash in text - is no heading.\n\nSecond paragraph."


def test_nothing() -> None:
    for text in (None, ""):
        doc = parse_docstring(text)
        assert (doc.summary, doc.extended, doc.sections) == ("", "", {})


def test_entries() -> None:
    assert parse_entries(parse_docstring(TEXT).sections["Parameters"]) == [
        Entry("x", "ndarray, shape (N,)", "Input, described."),
        Entry("y", "int", ""),
    ]


def test_blocks() -> None:
    text = (
        "One\nparagraph.\n\n    a = b\n      + c\n\nwith a list\n\n- first,\n  longer\n- second\n"
        "\nterm\n    What it is.\n\n==== =====\nname value\n==== =====\na    1\n     more\nb    2\n==== =====\n"
    )
    assert parse_blocks(text) == [
        DocBlock("paragraph", "One paragraph."),
        DocBlock("formula", "a = b\n  + c"),
        DocBlock("paragraph", "with a list"),
        DocBlock("item", "first, longer"),
        DocBlock("item", "second"),
        DocBlock("item", "term: What it is."),
        DocBlock("table", "", (("name", "value"), ("a", "1 more"), ("b", "2"))),
    ]
    assert parse_blocks("") == []


def test_a_list_right_under_a_paragraph() -> None:
    assert [block.kind for block in parse_blocks("It is\n- one\n- two")] == ["paragraph", "item", "item"]
