"""Training rows that a user has in hand, as the data set that strategies know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from imbtk.authoring.context import Rows, Split
from imbtk.data.array_samples import plain_array, sample_array, samples_of
from imbtk.data.dataset import Dataset
from imbtk.data.domain import Domain
from imbtk.data.labels import encode_labels
from imbtk.data.normalise import Normalisation
from imbtk.errors import DataError, OptionError, did_you_mean
from imbtk.integrations.fold_rows import group_numbers
from imbtk.pipeline.prepare import training_rows
from imbtk.wording import listing

__all__ = ["all_rows", "class_numbers", "given_dataset", "given_rows"]

Kind = Literal["images", "table"]


def all_rows(n: int) -> Split:
    """Return the split of which every row is a training row."""
    nothing = torch.empty(0, dtype=torch.int64)
    return Split(torch.arange(n), nothing, nothing)


def class_numbers(labels: Any, class_names: Sequence[str] | None) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Return class numbers (n,) int64 and class names, length K.

    Parameters
    ----------
    labels : array or sequence, shape (n,)
        Of any type; with `class_names` these names, or places in them.
    class_names : sequence of str, optional
        Names of all classes, of which some may have no row.

    Raises
    ------
    DataError
        If there is no row, a single class, a label that is missing or not among the names.
    """
    array = plain_array(labels)
    if array.ndim != 1 or not len(array):
        raise DataError(
            f"labels have the shape {array.shape}. Give one class for each training row, (n,), n at least 1."
        )
    row_names = [f"row {row}" for row in range(len(array))]
    if class_names is None:
        numbers, names = encode_labels(labels if array.dtype.kind == "O" else array, "labels", row_names)
    else:
        names = tuple(map(str, class_names))
        numbers = _places(array, names)
    if len(names) < 2:
        raise DataError(f"labels hold one class, {names[0]!r}. A classifier needs at least two: see class_names.")
    return numbers, names


def _places(labels: np.ndarray, names: tuple[str, ...]) -> torch.Tensor:
    """Return the place of each label in `names`, (n,) int64."""
    if labels.dtype.kind in "iu":
        outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
        if len(outside):
            raise DataError(
                f"labels: row {outside[0]} has class {labels[outside[0]]}, and class_names has {len(names)} names, "
                f"which stand for the classes 0 to {len(names) - 1}."
            )
        return torch.from_numpy(labels.astype(np.int64))
    place = {name: number for number, name in enumerate(names)}
    unknown = sorted({str(label) for label in labels if str(label) not in place})
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise DataError(f"labels hold {listing([repr(name) for name in unknown], 5)}, not in class_names.{hint}")
    return torch.tensor([place[str(label)] for label in labels], dtype=torch.int64)


def given_dataset(
    numbers: torch.Tensor,
    class_names: tuple[str, ...],
    groups: Any,
    x: Any,
    kind: Kind | None,
    sample_shape: Sequence[int] | None,
    domain: Domain,
) -> Dataset:
    """Return the data set of training rows; without `x` it has their shape and takes no memory.

    Raises
    ------
    DataError
        If lengths or shapes do not fit together, or `x` holds no images or table rows.
    OptionError
        If `kind` is none.
    """
    n = len(numbers)
    array = None if x is None else sample_array(x, "x")
    shape = tuple(map(int, (sample_shape or ()) if array is None else array.shape[1:]))
    kind = kind or ("table" if len(shape) == 1 else "images")
    if kind not in ("images", "table"):
        raise OptionError(f"option 'kind' (given: {kind!r}): write images or table.")
    if array is not None and len(array) != n:
        raise DataError(f"x has {len(array)} rows and labels have {n}. Give the training rows of both.")
    # Without its only channel an image is known by its pixels, and a shape alone is not.
    if shape and len(shape) not in ((1,) if kind == "table" else (3,) if array is None else (2, 3)):
        wanted = "(C, H, W)" if kind == "images" else "(D,)"
        raise DataError(f"a sample has the shape {shape}; with kind={kind} it is {wanted}.")
    samples = torch.zeros(1).expand(n, *shape) if array is None else samples_of(array, "x", any_channels=True)
    where: Any = "table" if kind == "table" else domain
    return Dataset("labels", kind, samples, numbers, class_names, groups=group_numbers(groups, n), domain=where)


def given_rows(dataset: Dataset, has_x: bool) -> Rows:
    """Return all rows for the resampling chain; without `x` whoever looks at features is told so.

    Raises
    ------
    DataError
        Later, from ``features_of``, if there is no `x`.
    """
    everything = torch.arange(len(dataset))
    if has_x:
        return training_rows(dataset, everything, Normalisation.fit(dataset, everything))

    def features_of(indices: torch.Tensor) -> np.ndarray:
        raise DataError(
            "a strategy of the plan looks at features, and there are none: give compose the training rows as x= "
            "(table rows (n, D) or images (n, C, H, W))."
        )

    width = dataset.sample_shape[0] if dataset.kind == "table" and dataset.sample_shape else 0
    unit = (np.zeros(width, np.float32), np.ones(width, np.float32))
    made = torch.empty((0, width))
    return Rows(everything, dataset.labels, features_of, made, torch.empty(0, dtype=torch.int64), unit)
