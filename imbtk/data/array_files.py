"""The arrays in a file: reading them, and telling by name which are samples, labels and groups, on which side."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = ["X_NAMES", "Part", "check_lengths", "flat", "joined", "parts_of", "read_npy", "read_npz"]

X_NAMES = ("x", "images", "image", "imgs", "img", "data", "features")
Y_NAMES = ("y", "labels", "label", "targets", "target", "classes", "class")
GROUP_NAMES = ("groups", "group", "patients", "patient", "patient_ids", "patient_id")
_NO_SAMPLES = "a single number. Give images as (N, H, W), or a table as (N, D)."
PARTS = ("train", "training", "val", "valid", "validation", "test")


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


def joined(arrays: Mapping[str, np.ndarray], keys: Sequence[str]) -> np.ndarray:
    """Return the arrays of the parts one behind the other.

    Raises
    ------
    DataError
        If they differ in more than the first axis.
    """
    if len(keys) == 1:
        return arrays[keys[0]]
    if len({arrays[key].shape[1:] for key in keys}) > 1 or not arrays[keys[0]].ndim:
        shapes = listing([f"{key} {arrays[key].shape}" for key in keys])
        raise DataError(
            f"the parts of the split do not fit together: {shapes}. But for the first axis they must agree."
        )
    return np.concatenate([arrays[key] for key in keys])


def flat(arrays: Mapping[str, np.ndarray], keys: Sequence[str | None]) -> np.ndarray | None:
    """Return one value for each row, (N,), None if a part has none.

    Raises
    ------
    DataError
        If an array has more than one.
    """
    known = [key for key in keys if key is not None]
    if len(known) < len(keys):
        return None
    for key in known:
        if arrays[key].ndim not in (1, 2) or arrays[key].size != len(arrays[key]):
            raise DataError(f"{key} has the shape {arrays[key].shape}, where one value for each row is needed, (N,).")
    return joined(arrays, known).ravel()


def check_lengths(arrays: Mapping[str, np.ndarray], parts: Sequence[Part], path: Path) -> None:
    """Refuse a number in place of samples, labels or groups of another number, and samples of different shapes.

    Raises
    ------
    DataError
        With the names of the arrays.
    """
    for part in parts:
        if not arrays[part.x].ndim:
            raise DataError(f"{path}: {part.x} is {_NO_SAMPLES}")
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


def read_npz(path: Path) -> dict[str, np.ndarray]:
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


def parts_of(arrays: Mapping[str, np.ndarray], path: Path) -> list[Part]:
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


def read_npy(path: Path) -> np.ndarray:
    """Return the array of an ``.npy`` file, mapped into memory.

    Raises
    ------
    DataError
        If it is broken or holds objects.
    """
    try:
        values: np.ndarray | np.lib.npyio.NpzFile = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an .npy file of plain numbers: {error}.") from None
    if not isinstance(values, np.ndarray):
        values.close()
        raise DataError(f"{path} holds several arrays, as an .npz file does: call it so.")
    if not values.ndim:
        raise DataError(f"{path} is {_NO_SAMPLES}")
    return values
