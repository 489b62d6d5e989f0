"""Class numbers and names from whatever labels look like."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = ["RowNames", "called", "check_classes", "encode_labels", "is_missing", "text_of"]


_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)


class RowNames(Sequence[str]):
    """What rows are called in messages, ``row 7``: made when one is asked for, not for a million rows.

    Parameters
    ----------
    index : sequence or Index
        The number or name of each row.
    """

    def __init__(self, index: Any) -> None:
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, place: Any) -> Any:
        return f"row {self._index[place]}"


def is_missing(value: object) -> bool:
    """Return whether a label or group is None, NaN, NA, NaT, empty or the text ``nan``."""
    if isinstance(value, str):
        return value.strip().casefold() in ("", "nan")
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def text_of(value: object) -> str:
    """Return a value as a name: whole floats without their fraction, texts as they are."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def called(row_name: str) -> str:
    """Return what a row is called in a sentence: a number alone says nothing."""
    return f"row {row_name}" if row_name.isdecimal() else row_name


def encode_labels(values: Any, where: str, row_names: Sequence[str]) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Return class numbers (N,) int64 and class names, sorted: numbers by size, texts by alphabet.

    Parameters
    ----------
    values : sequence or ndarray, shape (N,)
        Whole numbers, booleans or texts.
    where : str
        What the labels are, for messages: ``"column 'diagnosis' of wdbc.csv"``.
    row_names : sequence of str, length N
        What a row is called in messages.

    Raises
    ------
    DataError
        If a label is missing or a fraction, or names are alike but for case.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        numbers, inverse = np.unique(array, return_inverse=True)
        return torch.from_numpy(inverse.astype(np.int64)), tuple(str(number) for number in numbers)
    objects = list(values)
    missing = [row_names[i] for i, value in enumerate(objects) if is_missing(value)]
    if missing:
        raise DataError(
            f"{where}: no label (empty or NaN) for {len(missing)} of {len(objects)} rows: {listing(missing)}. "
            "Fill them in or take these rows out."
        )
    texts = _whole_numbers([text_of(value) for value in objects], where, row_names)
    names = sorted(set(texts), key=_sort_key(texts))
    _check_alike(names, texts, where)
    number_of = {name: number for number, name in enumerate(names)}
    return torch.tensor([number_of[text] for text in texts], dtype=torch.int64), tuple(names)


def _whole_numbers(texts: list[str], where: str, row_names: Sequence[str]) -> list[str]:
    """Return labels that all look like numbers without ``.0``; refuse fractions."""
    distinct = set(texts)
    if not all(_NUMBER.fullmatch(text.strip()) for text in distinct):
        return texts
    if all(_INTEGER.fullmatch(text.strip()) for text in distinct):
        return texts
    fractions = {text for text in distinct if not float(text).is_integer()}
    if fractions:
        rows = [f"{row_names[i]} ({text})" for i, text in enumerate(texts) if text in fractions]
        raise DataError(
            f"{where}: labels are numbers with a fraction, so they are measurements and not classes: "
            f"{listing(rows, 5)}. Give another label column, or turn the numbers into classes first."
        )
    whole = {text: str(int(float(text))) for text in distinct}
    return [whole[text] for text in texts]


def _sort_key(texts: Sequence[str]) -> Any:
    if all(_INTEGER.fullmatch(text.strip()) for text in set(texts)):
        return lambda text: (int(text), text)
    return lambda text: text


def _check_alike(names: Sequence[str], texts: Sequence[str], where: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(" ".join(name.casefold().split()), name)
        if other != name:
            raise DataError(
                f"{where}: the class names {other!r} ({texts.count(other)} rows) and {name!r} "
                f"({texts.count(name)} rows) are alike but for case or spaces. Write them the same way if they are "
                "one class, otherwise give them different names."
            )


def check_classes(labels: torch.Tensor, class_names: Sequence[str], where: str) -> None:
    """Refuse data that no classifier can be trained and tested on.

    Raises
    ------
    DataError
        If there is one class only, or a class has no sample or one.
    """
    if len(labels) == 0:
        raise DataError(f"{where}: there is no row.")
    if len(class_names) < 2:
        raise DataError(f"{where}: there is a single class, {class_names[0]!r}. A classifier needs at least two.")
    counts = torch.bincount(labels, minlength=len(class_names)).tolist()
    few = [
        f"{name!r} has {'one sample' if n else 'no sample'}"
        for name, n in zip(class_names, counts, strict=True)
        if n < 2
    ]
    if few:
        raise DataError(
            f"{where}: class {listing(few)}. A class needs two samples at the very least, one to train on and one to "
            "test on: add samples, merge the class with another or take it out."
        )
