"""An image manifest: a table with a column of files and a column of labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbtk.data.dataset import Dataset
from imbtk.data.faults import Faults
from imbtk.data.frames import (
    GROUP_NAMES,
    PATH_NAMES,
    column_named,
    find_column,
    group_label_column,
    label_column,
    split_column,
)
from imbtk.data.group_facts import with_group_column
from imbtk.data.groups import keys_from_column
from imbtk.data.image_files import ImageFiles, dataset_from_files, looks_like_image
from imbtk.data.labels import is_missing
from imbtk.data.options import DataOptions
from imbtk.data.splits import sides_of
from imbtk.data.store import Progress
from imbtk.errors import DataError
from imbtk.wording import listing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_manifest", "path_column"]

_USED = {
    "image_size",
    "resize",
    "path_column",
    "label_column",
    "group_column",
    "split_column",
    "where",
    "group_pattern",
    "groups",
    "domain",
    "drop_conflicts",
}


def path_column(frame: pd.DataFrame, folder: Path, options: DataOptions, where: str) -> Any | None:
    """Return the column of image files, None if the frame is a table of features.

    That is the column the user names, else one with a telling name whose first values are files, or look like images.
    """
    if options.path_column is not None:
        return column_named(frame, options.path_column, "--path-column", where)
    column = find_column(frame, PATH_NAMES)
    if column is None:
        return None
    first = [str(value) for value in frame[column].head(20) if not is_missing(value)]
    is_manifest = any(looks_like_image(value) or (folder / value.strip()).is_file() for value in first)
    return column if is_manifest else None


def load_manifest(
    frame: pd.DataFrame,
    column: Any,
    folder: Path,
    location: Path,
    options: DataOptions,
    progress: Progress | None,
) -> Dataset:
    """Return the data set of a manifest.

    Parameters
    ----------
    frame : DataFrame
        Already filtered; its index names rows in messages.
    column : object
        The column of files, which are relative to `folder`.
    folder, location : Path
        Where files are, and what the manifest is called.
    options : DataOptions
    progress : callable, optional

    Raises
    ------
    DataError
        If files are missing, or stand twice.
    """
    where = location.name
    options.refuse_unused(_USED, f"the image manifest {where}")
    if options.faults is not None:
        frame = _with_files(frame, column, folder, options.faults)
    rows = [f"row {index}" for index in frame.index]
    names = _file_names(frame, column, folder, where, rows)
    labels = label_column(frame, options.label_column, where)
    groups, asked = None, options.group_column is not None
    if options.groups != "none":
        groups = (
            column_named(frame, options.group_column, "--group-column", where)
            if options.group_column is not None
            else find_column(frame, GROUP_NAMES)
        )
    split = split_column(frame, options.split_column, where)
    said = group_label_column(frame, options, where)
    row_names = [name.replace("\\", "/") for name in names]
    dataset = dataset_from_files(
        ImageFiles(
            source="manifest",
            location=location,
            paths=[folder / name for name in names],
            row_names=row_names,
            labels=list(frame[labels]),
            where=f"column '{labels}' of {where}",
            keys=None
            if groups is None
            else keys_from_column(list(frame[groups]), f"column '{groups}' of {where}", rows),
            asked=asked,
            given_split=None
            if split is None or options.ignore_split
            else sides_of(list(frame[split]), f"column '{split}' of {where}", names),
            description={"where": list(options.where)} if options.where else {},
        ),
        options,
        progress,
    )
    values = None if said is None else dict(zip(row_names, frame[said], strict=True))
    return with_group_column(dataset, values, f"column '{said}' of {where}", options)


def _with_files(frame: pd.DataFrame, column: Any, folder: Path, faults: Faults) -> pd.DataFrame:
    """Return the rows whose files exist; the others are written down."""
    there = [is_missing(value) or (folder / str(value).strip()).is_file() for value in frame[column]]
    absent = [str(value).strip() for value, found in zip(frame[column], there, strict=True) if not found]
    faults.broken |= dict.fromkeys(absent, "no such file")
    return frame[there]


def _file_names(frame: pd.DataFrame, column: Any, folder: Path, where: str, rows: list[str]) -> list[str]:
    empty = [row for row, value in zip(rows, frame[column], strict=True) if is_missing(value)]
    if empty:
        raise DataError(
            f"column '{column}' of {where} names no file in {listing(empty)}. Fill it in or take the rows out."
        )
    names = [str(value).strip() for value in frame[column]]
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise DataError(
            f"{where}: {len(absent)} of {len(names)} files do not exist in {folder}: {listing(absent)}. Paths in "
            f"column '{column}' are relative to the folder of the CSV file."
        )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"{where}: {listing(twice)} stands in more than one row. Take the rows out that repeat a file.")
    return names
