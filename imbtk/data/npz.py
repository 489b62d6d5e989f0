"""``.npz`` files: which of their arrays are samples, labels and groups, and on which side of a split they stand."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from imbtk.data.arrays import dataset_from_arrays
from imbtk.data.dataset import Dataset
from imbtk.data.frames import is_file
from imbtk.data.labels import listing
from imbtk.data.options import DataOptions
from imbtk.data.splits import side_of
from imbtk.data.store import Progress
from imbtk.errors import DataError

__all__ = ["ArrayRows", "NpzSource", "array_rows"]

X_NAMES = ("x", "images", "image", "imgs", "img", "data", "features")
Y_NAMES = ("y", "labels", "label", "targets", "target", "classes", "class")
GROUP_NAMES = ("groups", "group", "patients", "patient", "patient_ids", "patient_id")
PARTS = ("train", "training", "val", "valid", "validation", "test")
_KNOWN = (
    "x and y (or images, data and labels, label, target), with train_, val_ and test_ before them or behind them if "
    "the rows have their sides already"
)


@dataclass(frozen=True)
class Part:
    """The arrays of one side of a split, or of all rows.

    Attributes
    ----------
    name : str
        ``train``, ``val``, …, as the file has it; empty for all rows.
    x : str
        The name of the array of samples.
    y, groups : str, optional
        The names of the arrays of labels and groups.
    """

    name: str
    x: str
    y: str | None
    groups: str | None

    def rows(self, count: int) -> list[str]:
        """Return what the rows are called: ``train[17]``, or their number."""
        return [f"{self.name}[{row}]" if self.name else str(row) for row in range(count)]


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
        arrays = _read_npz(path)
        parts = _labelled(arrays, path)
        sides = np.repeat([side_of(part.name) or 0 for part in parts], [len(arrays[part.x]) for part in parts])
        dataset = dataset_from_arrays(
            _joined(arrays, [part.x for part in parts]),
            _joined(arrays, [str(part.y) for part in parts]),
            _flat(arrays, [part.groups for part in parts]),
            options,
            name=path.name,
            given_split=torch.from_numpy(sides) if len(parts) > 1 else None,
            row_names=[row for part in parts for row in part.rows(len(arrays[part.x]))],
            progress=progress,
        )
        dataset.description.update({"source": "npz", "path": str(path)})
        return dataset


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
        values = _read_npy(path)
        return ArrayRows(tuple(map(str, range(len(values)))), values)
    arrays = _read_npz(path)
    parts = _parts_of(arrays, path)
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
    _check_lengths(arrays, parts, path)
    return ArrayRows(
        tuple(name for part in parts for name in part.rows(len(arrays[part.x]))),
        _joined(arrays, [part.x for part in parts]),
        _flat(arrays, [part.y for part in parts]),
        _flat(arrays, [part.groups for part in parts]),
        f"{listing([part.y for part in parts])} of {path}",
        notes,
    )


def _joined(arrays: Mapping[str, np.ndarray], keys: Sequence[str]) -> np.ndarray:
    if len(keys) == 1:
        return arrays[keys[0]]
    if len({arrays[key].shape[1:] for key in keys}) > 1 or not arrays[keys[0]].ndim:
        shapes = listing([f"{key} {arrays[key].shape}" for key in keys])
        raise DataError(
            f"the parts of the split do not fit together: {shapes}. But for the first axis they must agree."
        )
    return np.concatenate([arrays[key] for key in keys])


def _flat(arrays: Mapping[str, np.ndarray], keys: Sequence[str | None]) -> np.ndarray | None:
    """Return one value for each row, None if a part has none."""
    known = [key for key in keys if key is not None]
    if len(known) < len(keys):
        return None
    for key in known:
        if arrays[key].ndim not in (1, 2) or arrays[key].size != len(arrays[key]):
            raise DataError(f"{key} has the shape {arrays[key].shape}, where one value for each row is needed, (N,).")
    return _joined(arrays, known).ravel()


def _check_lengths(arrays: Mapping[str, np.ndarray], parts: Sequence[Part], path: Path) -> None:
    for part in parts:
        for key in (part.y, part.groups):
            # A number alone has no length: what becomes of it is said where labels are read.
            if key is not None and arrays[key].ndim and len(arrays[part.x]) != len(arrays[key]):
                raise DataError(
                    f"{path}: {part.x} has {len(arrays[part.x])} rows and {key} has {len(arrays[key])}. One for each "
                    "row is needed."
                )
    shapes = {arrays[part.x].shape[1:] for part in parts}
    if len(shapes) > 1:
        raise DataError(f"{path}: the parts of the split have images of different shapes, {listing(sorted(shapes))}.")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file by name.

    Raises
    ------
    DataError
        If it is broken or holds objects.
    """
    name = ""
    try:
        # Opened here: if it is no archive, NumPy leaves closing it to chance.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {}
            for name in file.files:
                arrays[name] = file[name]
            return arrays
    except ValueError as error:
        if "allow_pickle" in str(error) or "pickled" in str(error):
            raise DataError(
                f"{path}: {f'array {name!r}' if name else 'the file'} holds Python objects, which could run code when "
                "loaded and are refused. Save plain arrays: rows of one shape, labels as whole numbers or fixed "
                "text."
            ) from None
        raise DataError(f"{path} is broken: {error}.") from None
    except (OSError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, KeyError, NotImplementedError) as error:
        raise DataError(f"{path} is no .npz file that can be read: {error or 'it is empty'}.") from None


def _parts_of(arrays: Mapping[str, np.ndarray], path: Path) -> list[Part]:
    """Return the parts of a split that a file holds, train first, or one part of all rows; empty if it has no samples.

    Raises
    ------
    DataError
        If a part has labels and no samples.
    """
    by_name: dict[str, str] = {}
    for key in arrays:
        by_name.setdefault(key.casefold(), key)

    def first(names: Sequence[str], part: str) -> str | None:
        forms = ("{part}_{name}", "{name}_{part}") if part else ("{name}",)
        keys = (form.format(part=part, name=name) for name in names for form in forms)
        return next((by_name[key] for key in keys if key in by_name), None)

    found = []
    for name in (*PARTS, ""):
        x, y = first(X_NAMES, name), first(Y_NAMES, name)
        if x is not None:
            found.append(Part(name, x, y, first(GROUP_NAMES, name)))
        elif y is not None and name:
            raise DataError(f"{path} has {y} and no array of the samples that belong to it, such as {name}_images.")
    # A file with sides and with arrays of all rows beside them says the sides; a file without a side has one part.
    return found[:-1] if len(found) > 1 and not found[-1].name else found


def _labelled(arrays: Mapping[str, np.ndarray], path: Path) -> list[Part]:
    """Return the parts, all with samples and labels of the same number, one of them to train on."""
    parts = _parts_of(arrays, path)
    if not parts or (len(parts) == 1 and parts[0].y is None):
        held = listing([f"{key} {values.shape}" for key, values in sorted(arrays.items())]) or "nothing"
        raise DataError(f"{path} has no arrays of samples and labels. They are called {_KNOWN}. It holds: {held}.")
    for part in parts:
        if part.y is None:
            raise DataError(f"{path} has {part.x} and no labels for it, such as {part.name}_labels.")
        if not arrays[part.x].ndim:
            raise DataError(f"{path}: {part.x} is a single number. Give images as (N, H, W), or a table as (N, D).")
    if parts[0].name and side_of(parts[0].name):
        raise DataError(
            f"{path} has no training part, only {listing([part.x for part in parts])}. To split its rows, call the "
            "arrays x and y."
        )
    _check_lengths(arrays, parts, path)
    if len({part.groups is None for part in parts}) > 1:
        raise DataError(f"{path}: some parts of the split have groups and others have none.")
    return parts


def _read_npy(path: Path) -> np.ndarray:
    try:
        values: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an .npy file of plain numbers: {error}.") from None
    return values
