"""Arrays from Python and from ``.npz`` files: images or a table."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from imbtk.data.dataset import Dataset
from imbtk.data.domain import domain_of
from imbtk.data.frames import is_file
from imbtk.data.groups import GroupKeys, group_rows, keys_from_column
from imbtk.data.labels import RowNames, check_classes, encode_labels, listing
from imbtk.data.options import COLUMN_OPTIONS, DataOptions
from imbtk.data.pixels import pixels_of, resized
from imbtk.data.store import Progress, pixel_digest
from imbtk.data.table import dataset_from_table
from imbtk.errors import DataError

__all__ = ["PART_FORMS", "ArraySource", "NpzSource", "dataset_from_arrays", "read_npz"]

_USED_IMAGES = {"image_size", "resize", "domain"}


def dataset_from_arrays(
    x: Any,
    y: Any,
    groups: Any,
    options: DataOptions,
    *,
    name: str = "arrays",
    given_split: torch.Tensor | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Return the data set of arrays, or of a DataFrame of features with labels.

    Parameters
    ----------
    x : array, shape (N, H, W), (N, H, W, C), (N, C, H, W) or (N, D)
    y : array, shape (N,) or (N, 1)
    groups : array, shape (N,), optional
    options : DataOptions
    name : str
    given_split : Tensor of int64, shape (N,), optional
    progress : callable, optional

    Raises
    ------
    DataError
        If lengths differ, or `x` or `y` are not of these forms.
    """
    table = x if isinstance(x, pd.DataFrame) else None
    values = np.empty((len(x), 0)) if table is not None else _array(x, f"x of {name}")
    labels = _labels(y, name)
    lengths = {"x": len(values), "y": len(labels)} | ({} if groups is None else {"groups": len(groups)})
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise DataError(f"{name}: lengths differ, {said} rows. Give one label (and one group) for each row of x.")
    if not len(values):
        raise DataError(f"{name}: there is no row.")
    rows = RowNames(range(len(values)))
    keys = None
    if groups is not None and options.groups != "none":
        keys = keys_from_column(list(np.asarray(groups).ravel()), f"groups of {name}", rows)
    if table is not None or values.ndim == 2:
        options.refuse_unused(set(COLUMN_OPTIONS), f"{name}, which is a table")
        frame = table if table is not None else _frame(values, name)
        return dataset_from_table(
            frame, labels, name=name, where=f"labels of {name}", keys=keys, given_split=given_split, options=options
        )
    options.refuse_unused(_USED_IMAGES, f"{name}, which holds images as arrays")
    return _image_dataset(values, labels, keys, options, name, given_split, progress)


def _array(x: Any, what: str) -> np.ndarray:
    try:
        values = np.asarray(x)
    except ValueError:
        raise DataError(f"{what} is no array: its rows have different shapes. Give rows of one shape.") from None
    if values.ndim not in (2, 3, 4):
        raise DataError(
            f"{what} has the shape {values.shape}. Give images as (N, H, W), (N, H, W, C) or (N, C, H, W), or "
            "a table as (N, D)."
        )
    return values


def _labels(y: Any, name: str) -> Any:
    if isinstance(y, (pd.Series, pd.Index)):
        return y.to_numpy(dtype=object) if y.dtype.kind not in "iu" else y.to_numpy()
    labels = np.asarray(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"y of {name} has the shape {labels.shape}. Give one class for each row, (N,): for one-hot rows that is "
            "y.argmax(axis=1); several classes for one row cannot be used."
        )
    return labels


def _frame(values: np.ndarray, name: str) -> pd.DataFrame:
    if values.dtype.kind not in "fiub":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(
                f"x of {name} holds {values.dtype} values that are no numbers. Give numbers, or a DataFrame: "
                "its columns of text are encoded."
            ) from None
    return pd.DataFrame(values, columns=[f"x{column}" for column in range(values.shape[1])])


def _image_dataset(
    values: np.ndarray,
    labels: Any,
    keys: GroupKeys | None,
    options: DataOptions,
    name: str,
    given_split: torch.Tensor | None,
    progress: Progress | None,
) -> Dataset:
    row_names = tuple(str(row) for row in range(len(values)))
    numbers, class_names = encode_labels(labels, f"labels of {name}", row_names)
    check_classes(numbers, class_names, f"labels of {name}")
    pixels, notes = pixels_of(values, f"x of {name}")
    digests = np.stack([pixel_digest(image) for image in pixels])
    said = [f"row {row}" for row in row_names]
    grouping = group_rows(keys, digests, numbers, class_names, said, options.faults)
    x = torch.from_numpy(resized(pixels, options.image_size, options.resize, progress))
    digest = hashlib.sha256(digests.tobytes() + numbers.numpy().tobytes() + repr(class_names).encode())
    return Dataset(
        name=name,
        kind="images",
        x=x,
        labels=numbers,
        class_names=class_names,
        groups=grouping.groups,
        group_names=grouping.names,
        given_split=given_split,
        row_names=row_names,
        domain=domain_of(options, name, class_names, x.shape[1]),
        preprocessing={"kind": "images", "size": x.shape[2], "resize": options.resize, "channels": x.shape[1]},
        notes=(*notes, *grouping.notes()),
        description={"source": "arrays", "digest": digest.hexdigest(), **grouping.facts()},
    )


class ArraySource:
    """Arrays ``(x, y)`` or ``(x, y, groups)``."""

    name = "arrays"
    summary = "arrays (x, y) or (x, y, groups), from Python"

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether `data` is a tuple or list of two or three."""
        return isinstance(data, (tuple, list)) and len(data) in (2, 3)

    def load(self, data: object, options: DataOptions, progress: Progress | None = None) -> Dataset:
        """Return the data set.

        Raises
        ------
        DataError
            If the arrays are not of a form that is understood.
        """
        if not isinstance(data, (tuple, list)):
            raise DataError("give arrays as (x, y) or (x, y, groups).")
        x, y, *groups = data
        return dataset_from_arrays(x, y, groups[0] if groups else None, options, progress=progress)


_PAIRS = (("x", "y"), ("X", "y"), ("X", "Y"), ("images", "labels"), ("data", "target"), ("data", "labels"))
PART_FORMS = ("{part}_images {part}_labels", "x_{part} y_{part}", "{part}_x {part}_y", "X_{part} y_{part}")


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
        x, y, groups, sides = _parts(arrays, path) or _pair(arrays, path)
        dataset = dataset_from_arrays(x, y, groups, options, name=path.name, given_split=sides, progress=progress)
        dataset.description.update({"source": "npz", "path": str(path)})
        return dataset


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


_Parts = tuple[np.ndarray, np.ndarray, np.ndarray | None, torch.Tensor | None]


def _pair(arrays: dict[str, np.ndarray], path: Path) -> _Parts:
    for x, y in _PAIRS:
        if x in arrays and y in arrays:
            return arrays[x], arrays[y], arrays.get("groups", arrays.get("patients")), None
    raise DataError(
        f"{path} has no arrays x and y, nor train_images and train_labels. "
        f"It holds: {listing(sorted(arrays)) or 'nothing'}."
    )


def _parts(arrays: dict[str, np.ndarray], path: Path) -> _Parts | None:
    """Return the parts of a split one behind the other, None if the arrays do not come in parts."""
    for form in PART_FORMS:
        if all(key in arrays for key in form.format(part="train").split()):
            break
    else:
        return None
    found: list[tuple[int, np.ndarray, np.ndarray]] = []
    groups: list[np.ndarray] = []
    for side, parts in enumerate((("train",), ("val", "valid", "validation"), ("test",))):
        for part in parts:
            x_key, y_key = form.format(part=part).split()
            if (x_key in arrays) != (y_key in arrays):
                raise DataError(f"{path} has only one of {x_key} and {y_key}. Both or none are needed.")
            if x_key in arrays:
                found.append((side, arrays[x_key], arrays[y_key]))
                groups += [arrays[key] for key in (f"{part}_groups", f"groups_{part}") if key in arrays]
    _check_parts(found, groups, form, path)
    sides = torch.cat([torch.full((len(x),), side, dtype=torch.int64) for side, x, _ in found])
    x, y = (np.concatenate([part[place] for part in found]) for place in (1, 2))
    return x, y, np.concatenate(groups) if groups else None, sides if len(found) > 1 else None


def _check_parts(
    found: Sequence[tuple[int, np.ndarray, np.ndarray]], groups: Sequence[np.ndarray], form: str, path: Path
) -> None:
    shapes = {x.shape[1:] for _, x, _ in found}
    if len(shapes) > 1:
        raise DataError(f"{path}: the parts of the split have images of different shapes, {listing(sorted(shapes))}.")
    for side, x, y in found:
        if len(x) != len(y):
            names = form.format(part=("train", "val", "test")[side]).split()
            raise DataError(
                f"{path}: {names[0]} has {len(x)} rows and {names[1]} has {len(y)}. One label a row is needed."
            )
    if groups and len(groups) != len(found):
        raise DataError(f"{path}: some parts of the split have groups and others have none.")
