"""How the columns of a table were taken, in words."""

from __future__ import annotations

from typing import Any

from imbtk.data.column_words import column_notes, column_words

COLUMNS: list[dict[str, Any]] = [
    {"name": "size", "type": "number"},
    {"name": "age", "type": "number", "decimal": ",", "grouped": True, "words": True},
    {"name": "share", "type": "number", "percent": True, "boolean": True},
    {"name": "day", "type": "date", "since": "2024-01-31", "order": "day-first"},
    {"name": "seen", "type": "date", "since": "2020-02-01"},
    {"name": "grade", "type": "text", "values": ["G1", "G2", "3"], "mixed": True},
    {"name": "site", "type": "text", "values": [f"s{i}" for i in range(10)]},
]
LEFT_OUT = [{"name": "case", "why": "identifier"}, {"name": "notes", "why": "empty"}]


def test_each_column_has_its_words_and_those_left_out_come_last() -> None:
    assert column_words({"columns": COLUMNS, "left_out": LEFT_OUT}) == [
        ("size", "number"),
        ("age", "number (decimal comma, marks between thousands, words count as missing)"),
        ("share", "number (true or false, per cent)"),
        ("day", "days since 2024-01-31, day first"),
        ("seen", "days since 2020-02-01"),
        ("grade", "3 categories: G1, G2, 3"),
        ("site", "10 categories: s0, s1, s2, s3, s4, s5, s6, s7 and 2 more"),
        ("case", "left out: identifier"),
        ("notes", "left out: empty"),
    ]
    assert column_words({}) == []


def test_a_user_is_told_what_was_taken_for_something_else() -> None:
    assert column_notes({"columns": COLUMNS, "left_out": LEFT_OUT}) == (
        "Left out as identifiers, each row having its own: 'case'. --numeric or --categorical keeps one.",
        "Left out because they are empty: 'notes'.",
        "Taken as categories, though some values are numbers or dates: 'grade' (G1, G2, 3). "
        "--numeric takes the words as missing.",
        "Dates became days: 'day' (days since 2024-01-31, day first), 'seen' (days since 2020-02-01).",
        "Read with a decimal comma: 'age'.",
        "Read with marks between thousands: 'age'.",
        "Read as numbers of per cent: 'share'.",
    )


def test_of_plain_columns_there_is_nothing_to_say() -> None:
    assert column_notes({"columns": COLUMNS[:1], "left_out": []}) == ()


def test_many_columns_are_counted() -> None:
    left = [{"name": f"id{i}", "why": "identifier"} for i in range(9)]
    (note,) = column_notes({"columns": [], "left_out": left})
    assert "'id0', 'id1', 'id2', 'id3', 'id4' and 4 more" in note
