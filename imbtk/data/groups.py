"""Which rows belong to one patient, and which are the very same image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from imbtk.data.breakhis import BreakHisName, parse_name
from imbtk.data.faults import Faults
from imbtk.data.labels import is_missing, text_of
from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = [
    "GroupKeys",
    "Grouping",
    "conflicting_sets",
    "group_rows",
    "keys_from_breakhis",
    "keys_from_column",
    "keys_from_pattern",
]


@dataclass(frozen=True)
class GroupKeys:
    """The group of each row by name, and where that is known from."""

    keys: tuple[str, ...]
    origin: str

    def take(self, rows: Sequence[int] | np.ndarray) -> GroupKeys:
        """Return the groups of some rows."""
        return GroupKeys(tuple(self.keys[row] for row in rows), self.origin)


@dataclass(frozen=True)
class Grouping:
    """Groups of rows as a :class:`~imbtk.data.dataset.Dataset` holds them.

    Attributes
    ----------
    groups : Tensor of int64, shape (N,), optional
        From 0, in the order of their first row; None if neither groups nor identical images are known.
    names : tuple of str
    known : bool
        Whether patients are known; identical images alone do not make them so.
    origin : str
        Where they are known from, empty if not.
    identical : int
        Images that have an identical one before them.
    """

    groups: torch.Tensor | None
    names: tuple[str, ...]
    known: bool
    origin: str
    identical: int

    def facts(self) -> dict[str, object]:
        """Return what the description of a data set says about groups."""
        return {"groups_known": self.known, "groups_from": self.origin, "identical_images": self.identical}

    def notes(self) -> tuple[str, ...]:
        """Return the sentence that a report owes its readers where images are identical."""
        if not self.identical:
            return ()
        images = "image is" if self.identical == 1 else "images are"
        return (f"{self.identical} {images} identical to another and kept on the same side of the split as that one.",)


def keys_from_column(values: Sequence[object], column: str, row_names: Sequence[str]) -> GroupKeys:
    """Return the groups that a column or an array says.

    Raises
    ------
    DataError
        If a row has none.
    """
    missing = [row_names[i] for i, value in enumerate(values) if is_missing(value)]
    if missing:
        raise DataError(
            f"{column}: no group (empty or NaN) for {len(missing)} of {len(values)} rows: {listing(missing)}. "
            "Fill them in, or ignore groups with --groups none."
        )
    return GroupKeys(tuple(text_of(value).strip() for value in values), column)


def keys_from_pattern(pattern: str, paths: Sequence[str]) -> GroupKeys:
    """Return the groups that a regular expression finds in paths: its group ``group``, else its first one.

    Raises
    ------
    DataError
        If a path does not match.
    """
    compiled = re.compile(pattern)
    which: str | int = "group" if "group" in compiled.groupindex else 1
    matches = [compiled.search(path) for path in paths]
    unmatched = [path for path, match in zip(paths, matches, strict=True) if match is None or match[which] is None]
    if unmatched:
        raise DataError(
            f"--group-pattern '{pattern}' finds no group in {len(unmatched)} of {len(paths)} paths: "
            f"{listing(unmatched)}. Make the pattern match every path within the data."
        )
    return GroupKeys(tuple(match[which] for match in matches if match), f"the pattern '{pattern}'")


def keys_from_breakhis(paths: Sequence[str]) -> GroupKeys:
    """Return the patients that BreakHis names say.

    Raises
    ------
    DataError
        If a name is no BreakHis name.
    """
    names = [parse_name(path) for path in paths]
    strange = [path for path, name in zip(paths, names, strict=True) if name is None]
    if strange:
        raise DataError(
            f"--groups breakhis: {len(strange)} of {len(paths)} files have no BreakHis name "
            f"(SOB_M_DC-14-17614-200-001.png): {listing(strange)}. Rename them or take them out."
        )
    return GroupKeys(tuple(name.patient for name in names if isinstance(name, BreakHisName)), "BreakHis file names")


def group_rows(
    keys: GroupKeys | None,
    digests: np.ndarray | None,
    labels: torch.Tensor,
    class_names: Sequence[str],
    row_names: Sequence[str],
    faults: Faults | None = None,
) -> Grouping:
    """Return groups such that rows of one key, and rows of identical content, are in one group.

    Parameters
    ----------
    keys : GroupKeys, optional
        Patients; None where they are not known.
    digests : ndarray of uint8, shape (N, 16), optional
        Digest of each image's content; None for tables, where equal rows are no surprise.
    labels : Tensor of int64, shape (N,)
    class_names : sequence of str, length K
    row_names : sequence of str, length N
    faults : Faults, optional
        Where conflicting labels are written down instead of raised.

    Raises
    ------
    DataError
        If identical images have different labels.
    """
    origin = keys.origin if keys else ""
    content = None if digests is None else _content_numbers(digests)
    identical = 0 if content is None else len(content) - int(content.max(initial=-1) + 1)
    if content is not None and identical:
        _check_conflicts(_conflicts(content, labels), labels, class_names, row_names, faults)
    if keys is None and not identical:
        return Grouping(None, (), False, "", 0)
    if keys is None:
        groups = _by_first_row(content if content is not None else np.arange(len(labels)))
        names = tuple(row_names[first] for first in np.unique(groups, return_index=True)[1])
        return Grouping(torch.from_numpy(groups), names, False, "", identical)
    places: dict[str, int] = {}
    groups = np.array([places.setdefault(key, len(places)) for key in keys.keys], dtype=np.int64)
    if content is None or not identical:
        return Grouping(torch.from_numpy(groups), tuple(places), True, origin, identical)
    groups = _merged(groups, content)
    members: dict[int, dict[str, None]] = {}
    for group, key in zip(groups.tolist(), keys.keys, strict=True):
        members.setdefault(group, {})[key] = None
    names = tuple(" + ".join(members[group]) for group in range(len(members)))
    return Grouping(torch.from_numpy(groups), names, True, origin, identical)


def _content_numbers(digests: np.ndarray) -> np.ndarray:
    """Return a number for each row, the same for the same digest, (N,) int64."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in digests], dtype=np.int64)


def _by_first_row(numbers: np.ndarray) -> np.ndarray:
    """Return the same partition, numbered in the order of each part's first row."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _merged(groups: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return the finest partition in which each group and each content is in one part."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = int(groups.max()) + 1
    nodes = size + int(content.max()) + 1
    edges = coo_matrix((np.ones(len(groups)), (groups, content + size)), shape=(nodes, nodes))
    parts = connected_components(edges, directed=False)[1]
    return _by_first_row(parts[groups])


def conflicting_sets(digests: np.ndarray, labels: torch.Tensor) -> list[list[int]]:
    """Return the sets of rows with the same digest, (N, 16) uint8, and different labels, (N,) int64."""
    return _conflicts(_content_numbers(digests), labels)


def _conflicts(content: np.ndarray, labels: torch.Tensor) -> list[list[int]]:
    numbers = labels.numpy()
    order = np.lexsort((numbers, content))
    same = content[order][1:] == content[order][:-1]
    torn = np.unique(content[order][1:][same & (numbers[order][1:] != numbers[order][:-1])])
    rows = np.flatnonzero(np.isin(content, torn))
    sets: dict[int, list[int]] = {int(number): [] for number in torn}
    for row in rows.tolist():
        sets[int(content[row])].append(row)
    return list(sets.values())


def _check_conflicts(
    conflicts: Sequence[Sequence[int]],
    labels: torch.Tensor,
    class_names: Sequence[str],
    row_names: Sequence[str],
    faults: Faults | None,
) -> None:
    if not conflicts:
        return
    sets = [tuple((row_names[row], class_names[int(labels[row])]) for row in rows) for rows in conflicts]
    if faults is not None:
        faults.conflicts += sets
        return
    told = [" = ".join(f"{row} ({label})" for row, label in found[:6]) for found in sets]
    raise DataError(
        f"identical images have different labels, {len(sets)} time{'s' if len(sets) > 1 else ''}: {listing(told)}. One "
        "of the labels is wrong: correct it, take these images out, or have every copy left out with --drop-conflicts."
    )
