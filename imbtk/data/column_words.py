"""How the columns of a table were taken, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from imbtk.wording import listing

__all__ = ["column_notes", "column_words"]

_SHOWN = 5


def column_notes(preprocessing: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a user must know to see that a column was taken for what it is not.

    Parameters
    ----------
    preprocessing : mapping
        Made by :func:`imbtk.data.columns.fit_columns`.
    """

    def some(
        which: Callable[[Mapping[str, Any]], object], said: Callable[[Mapping[str, Any]], str] = _name
    ) -> list[str]:
        return [said(column) for column in preprocessing["columns"] if which(column)]

    ids, empty = (
        [_name(left) for left in preprocessing["left_out"] if left["why"] == why] for why in ("identifier", "empty")
    )
    found = (
        (ids, "Left out as identifiers, each row having its own: {}. --numeric or --categorical keeps one."),
        (empty, "Left out because they are empty: {}."),
        (
            some(
                lambda column: column.get("mixed"), lambda column: f"{_name(column)} ({listing(column['values'], 4)})"
            ),
            "Taken as categories, though some values are numbers or dates: {}. --numeric takes the words as missing.",
        ),
        (
            some(lambda column: column["type"] == "date", lambda column: f"{_name(column)} ({_taken_as(column)})"),
            "Dates became days: {}.",
        ),
        (some(lambda column: column.get("decimal") == ","), "Read with a decimal comma: {}."),
        (some(lambda column: column.get("grouped")), "Read with marks between thousands: {}."),
        (some(lambda column: column.get("percent")), "Read as numbers of per cent: {}."),
    )
    return tuple(text.format(listing(names, _SHOWN)) for names, text in found if names)


def _name(column: Mapping[str, Any]) -> str:
    return f"'{column['name']}'"


def column_words(preprocessing: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each column of a table with how it is taken, for people, those that are left out last."""
    words = [(str(column["name"]), _taken_as(column)) for column in preprocessing.get("columns", ())]
    return words + [(str(left["name"]), f"left out: {left['why']}") for left in preprocessing.get("left_out", ())]


def _taken_as(column: Mapping[str, Any]) -> str:
    if column["type"] == "text":
        values = [str(value) for value in column["values"]]
        return f"{len(values)} categories: {listing(values, 8)}"
    if column["type"] == "date":
        return f"days since {column['since']}" + (f", {column['order'].replace('-', ' ')}" if "order" in column else "")
    marks = [
        *(["true or false"] if column.get("boolean") else []),
        *(["decimal comma"] if column.get("decimal") == "," else []),
        *(["marks between thousands"] if column.get("grouped") else []),
        *(["per cent"] if column.get("percent") else []),
        *(["words count as missing"] if column.get("words") else []),
    ]
    return f"number ({', '.join(marks)})" if marks else "number"
