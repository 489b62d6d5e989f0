"""Arrays from Python and from files: images or a table."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from imbtk.data.array_samples import sample_array, table_frame
from imbtk.data.dataset import Dataset
from imbtk.data.domain import domain_of
from imbtk.data.dropping import with_groups
from imbtk.data.frames import is_column, is_frame
from imbtk.data.groups import GroupKeys, keys_from_column
from imbtk.data.labels import called, check_classes, encode_labels
from imbtk.data.options import COLUMN_OPTIONS, DataOptions
from imbtk.data.pixels import pixels_of, resized
from imbtk.data.store import Progress, pixel_digest
from imbtk.errors import DataError

__all__ = ["ArraySource", "dataset_from_arrays"]

_USED_IMAGES = {"image_size", "resize", "domain", "drop_conflicts"}


def dataset_from_arrays(
    x: Any,
    y: Any,
    groups: Any,
    options: DataOptions,
    *,
    name: str = "arrays",
    given_split: torch.Tensor | None = None,
    row_names: Sequence[str] | None = None,
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
    row_names : sequence of str, length N, optional
        What rows are called; their numbers unless given.
    progress : callable, optional

    Raises
    ------
    DataError
        If lengths differ, or `x` or `y` are not of these forms.
    """
    values: Any = x if is_frame(x) else sample_array(x, f"x of {name}")
    labels = _labels(y, name)
    lengths = {"x": len(values), "y": len(labels)} | ({} if groups is None else {"groups": len(groups)})
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise DataError(f"{name}: lengths differ, {said} rows. Give one label (and one group) for each row of x.")
    if not len(values):
        raise DataError(f"{name}: there is no row.")
    names = tuple(row_names or map(str, range(len(values))))
    keys = None
    if groups is not None and options.groups != "none":
        keys = keys_from_column(list(np.asarray(groups).ravel()), f"groups of {name}", [called(row) for row in names])
    if values.ndim == 2:
        from imbtk.data.table import dataset_from_table

        options.refuse_unused(set(COLUMN_OPTIONS), f"{name}, which is a table")
        frame = table_frame(values, f"x of {name}", row_names=row_names)
        return dataset_from_table(
            frame, labels, name=name, where=f"labels of {name}", keys=keys, given_split=given_split, options=options
        )
    options.refuse_unused(_USED_IMAGES, f"{name}, which holds images as arrays")
    return _image_dataset(
        values, labels, keys, options=options, name=name, given_split=given_split, row_names=names, progress=progress
    )


def _labels(y: Any, name: str) -> Any:
    if is_column(y):
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


def _image_dataset(
    values: np.ndarray,
    labels: Any,
    keys: GroupKeys | None,
    options: DataOptions,
    name: str,
    given_split: torch.Tensor | None,
    row_names: tuple[str, ...],
    progress: Progress | None,
) -> Dataset:
    numbers, class_names = encode_labels(labels, f"labels of {name}", row_names)
    check_classes(numbers, class_names, f"labels of {name}")
    pixels, notes = pixels_of(values, f"x of {name}")
    digests = np.stack([pixel_digest(image) for image in pixels])
    x = torch.from_numpy(resized(pixels, options.image_size, options.resize, progress))
    digest = hashlib.sha256(digests.tobytes() + numbers.numpy().tobytes() + repr(class_names).encode())
    dataset = Dataset(
        name=name,
        kind="images",
        x=x,
        labels=numbers,
        class_names=class_names,
        given_split=given_split,
        row_names=row_names,
        domain=domain_of(options, name, class_names, x.shape[1]),
        preprocessing={"kind": "images", "size": x.shape[2], "resize": options.resize, "channels": x.shape[1]},
        notes=notes,
        description={"source": "arrays", "digest": digest.hexdigest()},
    )
    return with_groups(dataset, keys, digests, options)


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
