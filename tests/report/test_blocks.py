"""Blocks of a page."""

from __future__ import annotations

from imbtk.report.blocks import Cell, Table, name_cell


def test_a_shortened_name_keeps_the_whole_in_its_tooltip() -> None:
    assert name_cell("benign") == Cell("benign", "", "name")
    cell = name_cell("x" * 80 + "\n", 10, rare=True)
    assert (len(cell.text), cell.title, cell.rare) == (10, "x" * 80, True)


def test_long_tables_scroll() -> None:
    assert not Table((), ((Cell("a"),),) * 25).long
    assert Table((), ((Cell("a"),),) * 26).long
