"""``.npz`` and ``.npy`` files: data to train on, and rows to predict or evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from imbtk.data.array_files import (
    X_NAMES,
    Part,
    check_lengths,
    flat,
    joined,
    parts_of,
    read_npy,
    read_npz,
)
from imbtk.data.arrays import dataset_from_arrays
from imbtk.data.dataset import Dataset
from imbtk.data.frames import is_file
from imbtk.data.labels import called, text_of
from imbtk.data.options import DataOptions
from imbtk.data.splits import side_of, sides_of
from imbtk.data.store import Progress
from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = ["ArrayRows", "NpzSource", "array_rows"]

_KNOWN = (
    "x and y (or images, data and labels, label, target), with train_, val_ and test_ before them or behind them if "
    "the rows have their sides already"
)


@dataclass(frozen=True)
class ArrayRows:
    """Rows to predict or evaluate, out of a file of arrays.

    Attributes
    ----------
    names : tuple of str, length N
    values : ndarray, N rows
        Images or a table.
    labels, groups : ndarray, shape (N,), optional
        As the file has them.
    labels_from : str
        Which arrays the labels are, for messages.
    notes : tuple of str
        What must be said of the choice of arrays.
    """

    names: tuple[str, ...]
    values: np.ndarray
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    labels_from: str = ""
    notes: tuple[str, ...] = ()


class NpzSource:
    """An ``.npz`` file of arrays: ``x`` and ``y``, or the MedMNIST form with a split."""

    name = "npz"
    summary = "an .npz file: x and y (and groups), or {train,val,test}_images and _labels"

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether `data` is the path of an ``.npz`` file."""
        return isinstance(data, (str, Path)) and is_file(data, ".npz")

    def load(self, data: object, options: DataOptions, progress: Progress | None = None) -> Dataset:
        """Return the data set.

        Raises
        ------
        DataError
            If the file is broken, holds objects, or has no arrays of the names expected.
        """
        path = Path(str(data)).expanduser().resolve()
        arrays = read_npz(path)
        parts = _labelled(arrays, path)
        sides = np.repeat([side_of(part.name) or 0 for part in parts], [len(arrays[part.x]) for part in parts])
        dataset = dataset_from_arrays(
            joined(arrays, [part.x for part in parts]),
            joined(arrays, [str(part.y) for part in parts]),
            flat(arrays, [part.groups for part in parts]),
            options,
            name=path.name,
            given_split=torch.from_numpy(sides) if len(parts) > 1 else _split_array(arrays, parts[0], path, options),
            row_names=[row for part in parts for row in part.rows(len(arrays[part.x]))],
            progress=progress,
        )
        dataset.description.update({"source": "npz", "path": str(path)})
        return replace(dataset, notes=(*dataset.notes, *_unread(arrays, parts)))


def _split_array(
    arrays: Mapping[str, np.ndarray], whole: Part, path: Path, options: DataOptions
) -> torch.Tensor | None:
    """Return the sides that an array ``split`` says, as a column of that name would; None if it says none."""
    values = next((values for key, values in arrays.items() if key.casefold() == "split"), None)
    if values is None or options.ignore_split or values.size != len(arrays[whole.x]):
        return None
    texts = [text_of(value) for value in values.ravel().tolist()]
    if not any(side_of(text) is not None for text in set(texts)):
        return None
    return sides_of(texts, f"split of {path.name}", [called(row) for row in whole.rows(len(texts))])


def _unread(arrays: Mapping[str, np.ndarray], parts: Sequence[Part]) -> tuple[str, ...]:
    """Return what must be said of arrays that hold something for each row of a part, and are not read."""
    read = {key for part in parts for key in (part.x, part.y, part.groups)}
    counts = {len(arrays[part.x]) for part in parts}
    left = [key for key, values in arrays.items() if values.ndim and len(values) in counts and key not in read]
    left = [key for key in left if key.casefold() != "split" or len(parts) > 1]
    return (f"Arrays of the file that are not read: {listing(left)}.",) if left else ()


def array_rows(path: Path, *, whole: bool = False) -> ArrayRows:
    """Return the rows of an ``.npz`` or ``.npy`` file: of one in parts the test part, on which nothing was trained.

    Parameters
    ----------
    path : Path
    whole : bool
        Of a file in parts, take all of them.

    Raises
    ------
    DataError
        If the file is broken, has no array of samples, or parts that do not fit together.
    """
    if path.suffix.casefold() == ".npy":
        values = read_npy(path)
        return ArrayRows(tuple(map(str, range(len(values)))), values)
    arrays = read_npz(path)
    parts = parts_of(arrays, path)
    if not parts and len(arrays) == 1:
        parts = [Part("", next(iter(arrays)), None, None)]
    if not parts:
        raise DataError(
            f"{path} has no array of samples ({', '.join(X_NAMES)}, test_images, …). It holds: "
            f"{listing(sorted(arrays)) or 'nothing'}."
        )
    notes: tuple[str, ...] = ()
    if len(parts) > 1 and not whole:
        chosen = max(parts, key=lambda part: side_of(part.name) or 0)
        others = listing([part.x for part in parts if part is not chosen])
        notes = (f"{path.name} comes in parts: {chosen.x} is read, {others} is not (--ignore-split reads all).",)
        parts = [chosen]
    check_lengths(arrays, parts, path)
    return ArrayRows(
        tuple(name for part in parts for name in part.rows(len(arrays[part.x]))),
        joined(arrays, [part.x for part in parts]),
        flat(arrays, [part.y for part in parts]),
        flat(arrays, [part.groups for part in parts]),
        f"{listing([part.y for part in parts])} of {path}",
        notes,
    )


def _labelled(arrays: Mapping[str, np.ndarray], path: Path) -> list[Part]:
    """Return the parts, all with samples and labels of the same number, one of them to train on."""
    parts = parts_of(arrays, path)
    if not parts:
        held = listing([f"{key} {values.shape}" for key, values in sorted(arrays.items())]) or "nothing"
        raise DataError(
            f"{path} has no array of samples. Samples and labels are called {_KNOWN}: np.savez(file, x=images, "
            f"y=labels). It holds: {held}."
        )
    if len(parts) == 1 and parts[0].y is None:
        raise DataError(
            f"{path} has {parts[0].x} and no labels for it, such as y or labels, which training and comparing need. "
            "Rows without labels can be predicted by a run: imbtk predict."
        )
    for part in parts:
        if part.y is None:
            raise DataError(f"{path} has {part.x} and no labels for it, such as {part.name}_labels.")
    if parts[0].name and side_of(parts[0].name):
        raise DataError(
            f"{path} has no training part, only {listing([part.x for part in parts])}. To split its rows, call the "
            "arrays x and y."
        )
    check_lengths(arrays, parts, path)
    if len({part.groups is None for part in parts}) > 1:
        raise DataError(f"{path}: some parts of the split have groups and others have none.")
    return parts
