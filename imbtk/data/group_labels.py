"""What class a group is, where its rows have several: as the user says, never guessed from what a model said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imbtk.data.group_rule import parse_group_label
from imbtk.data.labels import is_missing, text_of
from imbtk.errors import DataError, OptionError, did_you_mean
from imbtk.wording import listing

__all__ = ["column_classes", "group_classes"]


def group_classes(
    rule: str,
    labels: np.ndarray,
    groups: np.ndarray,
    class_names: Sequence[str],
    counts: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Return the class of each row's group by ``any:CLASS`` or ``majority``, (N,) int64.

    Parameters
    ----------
    rule : str
    labels, groups : ndarray of int64, shape (N,)
    class_names : sequence of str, length K
    counts : sequence of int, length K
        How many rows the classes have where they are counted: of classes with as many rows in a group the rarer one is
        the group's.

    Raises
    ------
    OptionError
        If there is no class of that name.
    """
    kind, argument = parse_group_label(rule)
    if kind == "any" and argument not in class_names:
        raise OptionError(f"--group-label {rule}: unknown class '{argument}'.{did_you_mean(argument, class_names)}")
    number = np.unique(groups, return_inverse=True)[1]
    has = np.zeros((int(number.max(initial=-1)) + 1, len(class_names)))
    np.add.at(has, (number, labels), 1.0)
    # Less than one row: it decides only between classes with as many.
    rarity = np.argsort(np.argsort(-np.asarray(counts), kind="stable"), kind="stable")
    found = (has + rarity / (len(class_names) + 1)).argmax(axis=1)
    if kind == "any":
        k = list(class_names).index(argument)
        found = np.where(has[:, k] > 0, k, found)
    return np.asarray(found[number], dtype=np.int64)


def column_classes(
    values: Sequence[object], groups: Sequence[object], class_names: Sequence[str], where: str, noun: str
) -> np.ndarray:
    """Return the class of each row's group as a column says, (N,) int64.

    Parameters
    ----------
    values : sequence, length N
        Names of classes.
    groups : sequence, length N
        Group of each row, by name.
    class_names : sequence of str, length K
    where : str
        What the column is, for messages.
    noun : str
        What a group is called.

    Raises
    ------
    DataError
        If a row has no value or none that is a class, or the rows of a group have several.
    """
    number = {name: k for k, name in enumerate(class_names)}
    said = ["" if is_missing(value) else text_of(value).strip() for value in values]
    if unknown := sorted({text for text in said if text not in number}):
        raise DataError(
            f"{where} says what class a {noun} is (--group-label), and {listing([repr(t) for t in unknown], 5)} is "
            f"none of: {listing([repr(name) for name in class_names], 10)}. Write one of these in every row."
        )
    first: dict[object, str] = {}
    torn: dict[object, str] = {}
    for group, text in zip(groups, said, strict=True):
        if first.setdefault(group, text) != text:
            torn[group] = f"{group} ({first[group]} and {text})"
    if torn:
        raise DataError(
            f"{where} says what class a {noun} is (--group-label), and for {len(torn)} of {len(first)} it says several "
            f"things: {listing(list(torn.values()), 5)}. All rows of a {noun} need the same."
        )
    return np.array([number[text] for text in said], dtype=np.int64)
