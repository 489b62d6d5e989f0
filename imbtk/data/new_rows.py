"""New rows for a trained model: images or table rows with names, and with groups and labels where these are known.

Other than a data set for training, new rows need no labels and no second class, a broken image spoils nothing else, and
nothing is decoded before it is its turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbtk.data.binary_files import is_binary, read_sides
from imbtk.data.breakhis import class_labels, parse_all
from imbtk.data.frames import (
    GROUP_NAMES,
    LABEL_NAMES,
    column_named,
    filter_rows,
    find_column,
    group_label_column,
    read_csv,
)
from imbtk.data.groups import GroupKeys, keys_from_column
from imbtk.data.image_files import ImageFiles, group_keys, images_below, looks_like_image
from imbtk.data.labels import is_missing, text_of
from imbtk.data.manifest import path_column
from imbtk.data.naming import NAMES_OF_LABELS, named_labels
from imbtk.data.npz import array_rows
from imbtk.data.options import DataOptions
from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = ["NewRows", "check_kind", "new_rows", "with_names"]


@dataclass(frozen=True)
class NewRows:
    """Rows that a model has not seen.

    Attributes
    ----------
    names : tuple of str, length N
        The file as given or within its folder; the number of a row.
    files : tuple of Path or None, length N, optional
        Image files; None for a row of a manifest without one. Not set for arrays and tables.
    values : ndarray or DataFrame, N rows, optional
        Images or a table. Not set for files.
    groups : tuple of str, length N, optional
        Group (patient) of each row; None where that is not known.
    labels : tuple of str, length N, optional
        Class of each row; None where the data do not say.
    labels_from : str
        What the labels are, for messages.
    notes : tuple of str
        What people must be told.
    group_classes : tuple, length N, optional
        What the column says that ``--group-label column:NAME`` names.
    """

    names: tuple[str, ...]
    files: tuple[Path | None, ...] | None = None
    values: Any = None
    groups: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    labels_from: str = ""
    notes: tuple[str, ...] = ()
    group_classes: tuple[Any, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def part(self, start: int, stop: int) -> list[Path | None] | Any:
        """Return the files, or the array or frame, of rows ``[start, stop)``."""
        if self.files is not None:
            return list(self.files[start:stop])
        return self.values.iloc[start:stop] if isinstance(self.values, pd.DataFrame) else self.values[start:stop]


def new_rows(
    sources: Sequence[str | Path], options: DataOptions, description: Mapping[str, Any], *, labelled: bool = False
) -> NewRows:
    """Return new rows from what a user has.

    Parameters
    ----------
    sources : sequence of path
        One folder (nested as it may be), CSV manifest, CSV table, ``.npz`` or ``.npy`` file, or ``builtin:NAME``; or
        image files.
    options : DataOptions
        Of these, what says where files, groups and labels are.
    description : mapping
        What ``model.json`` of the run holds: the kind of data and the names of classes and columns.
    labelled : bool
        Look for labels.

    Raises
    ------
    DataError
        If there is nothing to read, or it is not of the kind that the model was trained on.
    """
    if not sources:
        raise DataError("nothing to predict was given: give a folder, a CSV, .npz or .npy file, or image files.")
    paths = [Path(source).expanduser() for source in sources]
    if len(paths) > 1 or (looks_like_image(str(paths[0])) and not paths[0].is_dir()):
        rows = _from_files(paths, options)
    elif str(sources[0]).startswith("builtin:"):
        rows = _from_builtin(str(sources[0]), options)
    elif is_binary(paths[0]):
        rows = _from_binary(paths[0], options, labelled)
    elif paths[0].is_dir():
        rows = _from_folder(paths[0], options, description, labelled)
    elif paths[0].suffix.casefold() in (".csv", ".tsv") and paths[0].is_file():
        rows = _from_csv(paths[0].resolve(), options, description, labelled)
    elif paths[0].suffix.casefold() in (".npz", ".npy") and paths[0].is_file():
        rows = _from_arrays(paths[0], options, labelled)
    else:
        missing = "" if paths[0].exists() else "there is no file or folder "
        odd = " is no folder, CSV, .npz, .npy or image file" if paths[0].exists() else ""
        hint = " If the format of a plugin was trained on, say so here too: --plugin FILE.py." if odd else ""
        raise DataError(f"{missing}{paths[0]}{odd}.{hint}")
    check_kind(rows, description, str(sources[0]))
    return with_names(rows, options, description)


def with_names(rows: NewRows, options: DataOptions, description: Mapping[str, Any]) -> NewRows:
    """Return the rows with their labels under the names of the model's classes, where names were given to labels.

    Raises
    ------
    OptionError
        If ``--class-names`` names labels that the rows do not have.
    """
    if rows.labels is None:
        return rows
    known = description.get(NAMES_OF_LABELS, {})
    names = description["class_names"]
    classes = rows.group_classes
    if classes is not None:
        classes = named_labels(_texts(classes), None, known, names)
    return replace(rows, labels=named_labels(rows.labels, options.class_names, known, names), group_classes=classes)


def check_kind(rows: NewRows, description: Mapping[str, Any], where: str) -> None:
    """Refuse rows of another kind than the model's.

    Raises
    ------
    DataError
        If there is no row, or images meet a model of tables.
    """
    table = isinstance(rows.values, pd.DataFrame) or (rows.values is not None and rows.values.ndim == 2)
    if not len(rows):
        raise DataError(f"{where} holds no row.")
    if table != (description["kind"] == "table"):
        held, wanted = ("a table", "images") if table else ("images", "tables")
        hint = " If a column names image files, say which with --path-column." if table else ""
        raise DataError(f"{where} holds {held}, and this model was trained on {wanted}.{hint}")


def _from_files(paths: Sequence[Path], options: DataOptions) -> NewRows:
    folders = [str(path) for path in paths if path.is_dir()]
    odd = [str(path) for path in paths if not looks_like_image(str(path))]
    if folders or odd:
        raise DataError(f"of several inputs each must be an image file, not so: {listing(folders or odd, 5)}.")
    names = tuple(path.as_posix() for path in paths)
    return NewRows(names, tuple(paths), groups=_file_groups(names, paths[0].parent, options))


def _file_groups(
    names: Sequence[str], where: Path, options: DataOptions, keys: GroupKeys | None = None, asked: bool = False
) -> tuple[str, ...] | None:
    files = ImageFiles("new", where, [], list(names), [], "", keys=keys, asked=asked)
    found = group_keys(files, options)
    return None if found is None else found.keys


def _from_folder(root: Path, options: DataOptions, description: Mapping[str, Any], labelled: bool) -> NewRows:
    parts = images_below(root)
    names = tuple("/".join(part) for part in parts)
    labels, labels_from = None, ""
    if labelled:
        labels, labels_from = _folder_labels(parts, root, options, description["class_names"])
    return NewRows(
        names,
        tuple(root.joinpath(*part) for part in parts),
        groups=_file_groups(names, root, options),
        labels=labels,
        labels_from=labels_from,
    )


def _folder_labels(
    parts: Sequence[tuple[str, ...]], root: Path, options: DataOptions, class_names: Sequence[str]
) -> tuple[tuple[str, ...] | None, str]:
    """Return the classes that folders or BreakHis names say; None where no folder is called like a class."""
    if (level := options.label_level) is not None:
        place = level - 1 if level > 0 else level
        folders = [part[:-1] for part in parts]
        shallow = [
            "/".join(part) for part, above in zip(parts, folders, strict=True) if not -len(above) <= place < len(above)
        ]
        if shallow:
            raise DataError(
                f"--label-level {level}: {len(shallow)} of {len(parts)} images in {root} have no folder at that level: "
                f"{listing(shallow, 5)}. Level 1 is the first folder below the data, -1 the innermost."
            )
        return tuple(above[place] for above in folders), f"folders of level {level} in {root}"
    first = [part[0] if len(part) > 1 else None for part in parts]
    if any(name in class_names for name in first):
        loose = ["/".join(part) for part, name in zip(parts, first, strict=True) if name is None]
        if loose:
            raise DataError(f"{root}: {len(loose)} images lie in no class folder: {listing(loose, 5)}.")
        return tuple(str(name) for name in first), f"class folders of {root}"
    names = parse_all(["/".join(part) for part in parts])
    if names is not None:
        said = [name.tumor_class for name in names]
        said = said if set(said) <= set(class_names) else class_labels(names, first)
        return tuple(said), f"BreakHis images in {root}"
    return None, ""


def _from_csv(path: Path, options: DataOptions, description: Mapping[str, Any], labelled: bool) -> NewRows:
    where = path.name
    whole = read_csv(path)
    frame = filter_rows(whole, options.where, where)
    features = {str(column["name"]) for column in description["preprocessing"].get("columns", ())}
    column = None if description["kind"] == "table" else path_column(whole, path.parent, options, where)
    group = _named_or_found(frame, options.group_column, "--group-column", GROUP_NAMES, features, where)
    label = None
    if labelled:
        label = _named_or_found(frame, options.label_column, "--label-column", LABEL_NAMES, features, where)
    labels = None if label is None else _texts(frame[label])
    labels_from = "" if label is None else f"column '{label}' of {where}"
    rows = [f"row {index}" for index in frame.index]
    keys = None
    if group is not None and options.groups != "none":
        keys = keys_from_column(list(frame[group]), f"column '{group}' of {where}", rows)
    said = group_label_column(frame, options, where) if labelled else None
    classes = None if said is None else tuple(frame[said])
    if column is None:
        groups = None if keys is None else keys.keys
        return NewRows(tuple(map(str, frame.index)), None, frame, groups, labels, labels_from, group_classes=classes)
    paths = [None if is_missing(value) else str(value).strip() for value in frame[column]]
    names = tuple(row if name is None else name.replace("\\", "/") for row, name in zip(rows, paths, strict=True))
    files = tuple(None if name is None else path.parent / name for name in paths)
    found = _file_groups(names, path.parent, options, keys, options.group_column is not None)
    return NewRows(names, files, groups=found, labels=labels, labels_from=labels_from, group_classes=classes)


def _named_or_found(
    frame: pd.DataFrame, named: str | None, option: str, telling: Sequence[str], features: set[str], where: str
) -> Any | None:
    """Return the column that the user names, else one with a telling name that is no feature."""
    if named is not None:
        return column_named(frame, named, option, where)
    column = find_column(frame, telling)
    return None if str(column) in features else column


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple("" if is_missing(value) else text_of(value).strip() for value in values)


def _from_arrays(path: Path, options: DataOptions, labelled: bool) -> NewRows:
    found = array_rows(path, whole=options.ignore_split)
    labels = _texts(found.labels.tolist()) if labelled and found.labels is not None else None
    groups = _texts(found.groups.tolist()) if options.groups != "none" and found.groups is not None else None
    said = found.labels_from if labels else ""
    return NewRows(
        names=found.names,
        files=None,
        values=found.values,
        groups=groups,
        labels=labels,
        labels_from=said,
        notes=found.notes,
    )


def _from_binary(root: Path, options: DataOptions, labelled: bool) -> NewRows:
    """Return the test side, on which nothing was trained; all rows where the split is to be ignored."""
    (train, test), names = read_sides(root)
    sides = {"train": train, "test": test} if options.ignore_split else {"test": test}
    numbers = [number for _, labels in sides.values() for number in labels.tolist()]
    note = f"Of {root.name} the test side is read, the training side is not (--ignore-split reads all)."
    return NewRows(
        tuple(f"{side}[{row}]" for side, (_, labels) in sides.items() for row in range(len(labels))),
        values=np.concatenate([images for images, _ in sides.values()]),
        labels=tuple(names[number] if names else str(number) for number in numbers) if labelled else None,
        labels_from=f"labels of {root}" if labelled else "",
        notes=() if options.ignore_split else (note,),
    )


def _from_builtin(name: str, options: DataOptions) -> NewRows:
    from imbtk.data import load

    dataset = load(name, DataOptions(image_size=options.image_size))
    values: Any = dataset.x.numpy()
    if dataset.kind == "table":
        values = pd.DataFrame(values, columns=list(dataset.feature_names))
    labels = tuple(dataset.class_names[k] for k in dataset.labels.tolist())
    return NewRows(tuple(map(str, range(len(dataset)))), None, values, None, labels, name)
