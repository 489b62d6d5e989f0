"""CSV files and DataFrames: image manifests and tables of features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbtk.data.dataset import Dataset
from imbtk.data.frames import (
    GROUP_NAMES,
    column_named,
    filter_rows,
    find_column,
    group_label_column,
    is_file,
    is_frame,
    label_column,
    named_columns,
    read_csv,
    split_column,
)
from imbtk.data.group_facts import with_group_column
from imbtk.data.groups import keys_from_column
from imbtk.data.image_files import looks_like_image
from imbtk.data.labels import RowNames
from imbtk.data.manifest import load_manifest, path_column
from imbtk.data.options import COLUMN_OPTIONS, DataOptions
from imbtk.data.splits import sides_of
from imbtk.data.store import Progress
from imbtk.errors import DataError, OptionError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CsvSource", "FrameSource"]

_USED = {"label_column", "group_column", "split_column", "where", "groups"} | COLUMN_OPTIONS


class CsvSource:
    """A CSV file: an image manifest if it has a column of image files, else a table of features."""

    name = "csv"
    summary = "a CSV file: an image manifest, or a table of features"

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether `data` is the path of a ``.csv`` or ``.tsv`` file."""
        return isinstance(data, (str, Path)) and is_file(data, ".csv", ".tsv")

    def load(self, data: object, options: DataOptions, progress: Progress | None = None) -> Dataset:
        """Return the data set.

        Raises
        ------
        DataError
            If columns are missing or hold what they may not.
        """
        path = Path(str(data)).expanduser().resolve()
        return _load(read_csv(path), path.parent, path, options, progress)


class FrameSource:
    """A pandas DataFrame: the same as a CSV file, files relative to the working directory."""

    name = "dataframe"
    summary = "a pandas DataFrame: an image manifest, or a table of features"

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether `data` is a DataFrame."""
        return is_frame(data)

    def load(self, data: object, options: DataOptions, progress: Progress | None = None) -> Dataset:
        """Return the data set.

        Raises
        ------
        DataError
            If columns are missing or hold what they may not.
        """
        if not is_frame(data) or not len(data):
            raise DataError("the DataFrame has no row.")
        return _load(data, Path.cwd(), Path("DataFrame"), options, progress)


def _load(
    frame: pd.DataFrame, folder: Path, location: Path, options: DataOptions, progress: Progress | None
) -> Dataset:
    name = location.name
    frame = filter_rows(frame, options.where, name)
    dropped = named_columns(frame, options.drop, "--drop", name)
    looked_at = frame[[column for column in frame.columns if str(column) not in dropped]]
    files = path_column(looked_at, folder, options, name)
    if files is not None:
        return load_manifest(frame, files, folder, location, options, progress)
    from imbtk.data.table import dataset_from_table

    _refuse_unnamed_files(looked_at, name)
    options.refuse_unused(_USED, f"{name}, which is a table of features (it has no column of image files)")
    label = label_column(frame, options.label_column, name)
    group = _group_column(frame, options, name)
    split = split_column(frame, options.split_column, name)
    _refuse_features({"class": label, "group": group, "side of the split": split}, frame, options, name)
    rows = RowNames(frame.index)
    keys = None
    if group is not None and options.groups != "none":
        keys = keys_from_column(list(frame[group]), f"column '{group}' of {name}", rows)
    sides = (
        None
        if split is None or options.ignore_split
        else sides_of(list(frame[split]), f"column '{split}' of {name}", rows)
    )
    said = group_label_column(frame, options, name)
    # A column that says who or where a row is, is never a feature, even where groups are to be ignored.
    apart = list(dict.fromkeys(column for column in (label, group, split, said) if column is not None))
    dataset = dataset_from_table(
        frame.drop(columns=apart),
        list(frame[label]),
        name=name,
        where=f"column '{label}' of {name}",
        keys=keys,
        given_split=sides,
        description={"path": str(location), "where": list(options.where)},
        options=options,
    )
    return with_group_column(
        dataset, None if said is None else list(frame[said]), f"column '{said}' of {name}", options
    )


def _refuse_features(apart: Mapping[str, Any | None], frame: pd.DataFrame, options: DataOptions, name: str) -> None:
    """Refuse to drop, or to take as a feature, a column that says what or where a row is."""
    for option in ("drop", "categorical", "numeric"):
        named = named_columns(frame, getattr(options, option), f"--{option}", name)
        for what, column in apart.items():
            if column is not None and str(column) in named:
                raise OptionError(
                    f"column '{column}' of {name} holds the {what} of each row and is no feature: leave it out of "
                    f"--{option}, or say with --label-column, --group-column, --split-column which column does."
                )


def _refuse_unnamed_files(frame: pd.DataFrame, name: str) -> None:
    """Refuse a manifest whose column of files has a name that nobody could guess, before it is taken for a table."""
    for column in frame.columns:
        first = frame[column].iloc[0]
        if isinstance(first, str) and looks_like_image(first):
            raise DataError(
                f"column '{column}' of {name} seems to hold image files ({first}). Say so with --path-column "
                f"'{column}'; if they are not what is to be learnt from, take the column out."
            )


def _group_column(frame: pd.DataFrame, options: DataOptions, name: str) -> Any | None:
    if options.groups == "breakhis":
        raise DataError(f"--groups breakhis reads file names, and {name} is a table of features. Leave it out.")
    if options.group_column is not None:
        return column_named(frame, options.group_column, "--group-column", name)
    column = find_column(frame, GROUP_NAMES)
    features = named_columns(frame, (*options.categorical, *options.numeric), "--categorical, --numeric", name)
    # Who calls it a feature says that its name means something else: the group of a trial, say.
    return None if str(column) in features else column
