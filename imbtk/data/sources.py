"""Data formats: what a source must answer, and which one reads what the user has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch

from imbtk.data.dataset import Dataset
from imbtk.data.dropping import without_leaks
from imbtk.data.group_facts import with_group_facts
from imbtk.data.imbalance import with_induced
from imbtk.data.labels import check_classes
from imbtk.data.naming import with_class_names
from imbtk.data.options import DataOptions
from imbtk.errors import DataError, OptionError, PluginError, did_you_mean

__all__ = ["Source", "built_in_sources", "check_dataset", "completed", "open_data"]


class Source(Protocol):
    """A data format; a plugin offers its own by the hook ``imbtk_sources``.

    Attributes
    ----------
    name : str
    summary : str
        One line for people.
    """

    name: str
    summary: str

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether this source reads `data`: a path, a text, arrays, whatever the user gave. Must be quick."""
        ...

    def load(self, data: object, options: DataOptions, progress: Callable[[str, int, int], None] | None) -> Dataset:
        """Return the data set; raise :class:`~imbtk.errors.DataError` for what is wrong with the data."""
        ...


def built_in_sources() -> tuple[Source, ...]:
    """Return core's own sources, in the order they are asked."""
    from imbtk.data.arrays import ArraySource
    from imbtk.data.binary_files import BinarySource
    from imbtk.data.builtin import BuiltinSource
    from imbtk.data.folders import FolderSource
    from imbtk.data.npz import NpzSource
    from imbtk.data.tabular import CsvSource, FrameSource

    return (BuiltinSource(), FrameSource(), ArraySource(), NpzSource(), CsvSource(), BinarySource(), FolderSource())


def open_data(
    data: object,
    options: DataOptions,
    sources: Sequence[Source] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Return the data set read by the first source that accepts `data`, `sources` asked before core's own.

    Raises
    ------
    DataError
        If no source reads it, or the data are not as they should be.
    PluginError
        If a source returns what is no data set.
    """
    candidates = (*sources, *built_in_sources())
    source = next((candidate for candidate in candidates if candidate.accepts(data, options)), None)
    if source is None:
        raise _unreadable(data, candidates)
    if options.drop_leaks and options.ignore_split:
        raise OptionError("--drop-leaks is about the split that the data give, which --ignore-split ignores: give one.")
    dataset = completed(source.load(data, options, progress), options)
    check_dataset(dataset, source)
    if options.drop_leaks and dataset.given_split is None:
        raise OptionError(
            f"--drop-leaks is about a split that the data give, and {dataset.name} gives none: leave it out. A split "
            "that imbtk makes has each group, and all copies of an image, on one side."
        )
    if options.ignore_split:
        dataset = dataclasses.replace(dataset, given_split=None)
    if options.drop_leaks:
        dataset = without_leaks(dataset)
    if options.class_names is not None:
        dataset = with_class_names(dataset, options.class_names)
    dataset = with_group_facts(dataset, options)
    if options.induce_imbalance is not None:
        dataset = with_induced(dataset, options.induce_imbalance, options.seed)
    return dataset


def _unreadable(data: object, sources: Sequence[Source]) -> DataError:
    known = "; ".join(source.summary for source in sources)
    if not isinstance(data, (str, Path)):
        return DataError(f"data of type {type(data).__name__} cannot be read. imbtk reads: {known}.")
    path = Path(data).expanduser()
    if path.exists():
        return DataError(f"{path} is of a kind that no source reads. imbtk reads: {known}.")
    hint = ""
    if path.parent.is_dir() and not str(data).startswith("builtin"):
        siblings = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
        close = did_you_mean(path.name, siblings)
        hint = close if "Did you mean" in close else ""
    elif str(data).startswith("builtin"):
        hint = " Built-in data are builtin:digits and builtin:breast-cancer."
    return DataError(f"there is no file or folder {path}.{hint}")


def completed(dataset: Dataset, options: DataOptions) -> Dataset:
    """Return the data set with a preprocessing that a saved model can repeat, where its source says nothing of it."""
    if dataset.preprocessing or not isinstance(dataset.x, torch.Tensor):
        return dataset
    if dataset.kind == "images" and dataset.x.ndim == 4:
        how = {"kind": "images", "size": dataset.x.shape[2], "resize": options.resize, "channels": dataset.x.shape[1]}
        return dataclasses.replace(dataset, preprocessing=how)
    width = dataset.x.shape[1] if dataset.x.ndim == 2 else 0
    names = dataset.feature_names if len(dataset.feature_names) == width else [f"x{column}" for column in range(width)]
    columns = [{"name": name, "type": "number"} for name in names]
    return dataclasses.replace(dataset, preprocessing={"kind": "table", "columns": columns})


def check_dataset(dataset: Dataset, source: Source, *, trained_on: bool = True) -> None:
    """Refuse what a source of somebody else may have got wrong.

    Parameters
    ----------
    dataset : Dataset
    source : Source
    trained_on : bool
        Whether a model shall learn from it, which takes two classes with rows.

    Raises
    ------
    PluginError
        If lengths, shapes or types do not fit.
    DataError
        If there is nothing to learn.
    """
    n, problem = len(dataset.labels), ""
    if dataset.labels.dtype != torch.int64 or dataset.labels.ndim != 1:
        problem = "labels are not int64 of shape (N,)"
    elif len(dataset.x) != n:
        problem = f"x has {len(dataset.x)} rows and labels {n}"
    elif dataset.kind == "images" and (dataset.x.dtype != torch.uint8 or dataset.x.ndim != 4):
        problem = "images are not uint8 of shape (N, C, H, W)"
    elif dataset.kind == "table" and (dataset.x.dtype != torch.float32 or dataset.x.ndim != 2):
        problem = "the table is not float32 of shape (N, D)"
    elif any(given is not None and given.shape != (n,) for given in (dataset.groups, dataset.given_split)):
        problem = "groups or the given split have another length than labels"
    elif n and (int(dataset.labels.min()) < 0 or int(dataset.labels.max()) >= dataset.num_classes):
        problem = f"labels lie outside 0 to {dataset.num_classes - 1}"
    if problem:
        raise PluginError(f"the source '{source.name}' returned a data set that makes no sense: {problem}.")
    if trained_on:
        check_classes(dataset.labels, dataset.class_names, dataset.name)
