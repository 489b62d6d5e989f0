"""A folder of images: one folder for each class, or a BreakHis tree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from imbtk.data.breakhis import COLUMNS, BreakHisName, class_labels, parse_all
from imbtk.data.dataset import Dataset
from imbtk.data.image_files import ImageFiles, dataset_from_files, images_below
from imbtk.data.options import DataOptions, parse_where
from imbtk.data.splits import side_of
from imbtk.data.store import Progress
from imbtk.errors import DataError, OptionError, did_you_mean
from imbtk.wording import listing

__all__ = ["FolderSource"]

_USED = {"image_size", "resize", "label_level", "where", "group_pattern", "groups", "domain", "drop_conflicts"}


_ALIKE = 0.9
"""From this share of folders with the same sub-folders on, these are taken for the classes."""


@dataclass(frozen=True)
class _Tree:
    """Image files below a root, each as its parts below the root and below train/val/test."""

    root: Path
    parts: list[tuple[str, ...]]
    inner: list[tuple[str, ...]]
    sides: list[int] | None
    empty: list[str]

    def take(self, rows: list[int]) -> _Tree:
        sides = None if self.sides is None else [self.sides[row] for row in rows]
        return _Tree(self.root, [self.parts[r] for r in rows], [self.inner[r] for r in rows], sides, [])


class FolderSource:
    """Images in one folder for each class, with ``train/ val/ test/`` above them or without."""

    name = "folder"
    summary = "a folder of images, one folder for each class"

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether `data` is the path of a folder."""
        return isinstance(data, (str, Path)) and Path(data).expanduser().is_dir()

    def load(self, data: object, options: DataOptions, progress: Progress | None = None) -> Dataset:
        """Return the data set.

        Raises
        ------
        DataError
            If there are no images, or no classes can be told from the folders.
        """
        options.refuse_unused(_USED, "a folder of images")
        root = Path(str(data)).expanduser()
        tree = _walk(root)
        names = parse_all(["/".join(parts) for parts in tree.parts])
        if options.where:
            rows = _filtered(tree, names, options.where)
            tree = tree.take(rows)
            names = None if names is None else [names[row] for row in rows]
        labels, where = _labels(tree, names, options)
        return dataset_from_files(
            ImageFiles(
                source="folder",
                location=root.resolve(),
                paths=[root.joinpath(*parts) for parts in tree.parts],
                row_names=["/".join(parts) for parts in tree.parts],
                labels=labels,
                where=where,
                given_split=None if tree.sides is None else torch.tensor(tree.sides, dtype=torch.int64),
                notes=_sides_below_classes(tree, options),
                description={"where": list(options.where)} if options.where else {},
            ),
            options,
            progress,
        )


def _walk(root: Path) -> _Tree:
    """Return all image files below `root`, sorted, hidden files and folders left out."""
    parts = images_below(root)
    sides = _sides(root, parts)
    inner = parts if sides is None else [part[1:] for part in parts]
    tops = {part[0] for part in parts if len(part) > 1}
    folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    empty = [] if sides is not None else [name for name in folders if name not in tops and name != "__MACOSX"]
    return _Tree(root, parts, inner, sides, empty)


def _sides(root: Path, parts: list[tuple[str, ...]]) -> list[int] | None:
    """Return the side of each file if the first folders are train/val/test, else None."""
    tops = {part[0] if len(part) > 1 else "" for part in parts}
    found = {top: side_of(top) for top in tops}
    sides = {side for side in found.values() if side is not None}
    if 0 not in sides or len(sides) < 2:
        return None
    others = sorted(top or "files directly in it" for top, side in found.items() if side is None)
    if others:
        raise DataError(
            f"{root} holds the folders of a split (train, val, test), and beside them images in: {listing(others)}. "
            "Put every image below train, val or test, or none."
        )
    return [side for part in parts if (side := found[part[0]]) is not None]


def _filtered(tree: _Tree, names: list[BreakHisName] | None, where: tuple[str, ...]) -> list[int]:
    """Return the rows that the filters keep, by what BreakHis names say."""
    if names is None:
        raise OptionError(
            f"--where {where[0]} needs a CSV manifest with columns, or files with BreakHis names: {tree.root} is a "
            "folder of images with other names."
        )
    kept = list(range(len(names)))
    wanted: dict[str, set[str]] = {}
    for text in where:
        column, value = parse_where(text)
        if names[0].column(column) is None:
            raise OptionError(
                f"--where {text}: BreakHis names say nothing of '{column}'.{did_you_mean(column, COLUMNS)}"
            )
        wanted.setdefault(column, set()).add(value)
    for column, values in wanted.items():
        kept = [row for row in kept if names[row].column(column) in values]
    if not kept:
        raise DataError(f"--where {' '.join(where)} leaves none of the {len(names)} images of {tree.root}.")
    return kept


def _labels(tree: _Tree, names: list[BreakHisName] | None, options: DataOptions) -> tuple[list[str], str]:
    """Return the class of each file, and what the labels are, for messages."""
    if options.label_level is not None:
        return _labels_at(tree, options.label_level), f"folders of level {options.label_level} in {tree.root}"
    if names is not None:
        folders = [inner[0] if len(inner) > 1 else None for inner in tree.inner]
        return class_labels(names, folders), f"BreakHis images in {tree.root}"
    loose = ["/".join(part) for part, inner in zip(tree.parts, tree.inner, strict=True) if len(inner) < 2]
    if loose:
        raise DataError(
            f"{tree.root}: {len(loose)} of {len(tree.parts)} images lie in no class folder: {listing(loose, 5)}. "
            "Put each into the folder of its class, or give a CSV manifest with a column of files and one of labels."
        )
    if tree.empty:
        raise DataError(
            f"{tree.root}: no image in the folder {listing([repr(name) for name in tree.empty])}, so its class has no "
            "sample. Add images or take the folder away."
        )
    _refuse_groups_above_classes(tree)
    labels = [inner[0] for inner in tree.inner]
    if len(set(labels)) == 1:
        raise DataError(
            f"{tree.root} holds a single class folder, {labels[0]!r}. A classifier needs at least two; if the classes "
            "are folders further down, say which level: --label-level 2."
        )
    return labels, f"class folders of {tree.root}"


def _sides_below_classes(tree: _Tree, options: DataOptions) -> tuple[str, ...]:
    """Return what must be said of ``class/train/`` folders: a split is known by its folders above the classes."""
    below = {inner[1] if len(inner) > 2 else "" for inner in tree.inner}
    sides = {side_of(name) for name in below}
    if options.ignore_split or options.label_level is not None or None in sides or len(sides) < 2:
        return ()
    return (
        f"The folders {listing(sorted(below))} within the class folders are not taken for a split: put them above the "
        "class folders if they are one, or say --ignore-split.",
    )


def _refuse_groups_above_classes(tree: _Tree) -> None:
    """Refuse a tree of ``patient/class/`` folders, which would be taken for as many classes as there are patients.

    It is one if there are at least three folders, no image lies directly in them, and nine in ten have no sub-folders
    but some of a set that is smaller than the number of folders, each of which stands in several.
    """
    below: dict[str, set[str]] = {}
    for inner in tree.inner:
        if len(inner) < 3:
            return
        below.setdefault(inner[0], set()).add(inner[1])
    found = Counter(name for names in below.values() for name in names)
    common = sorted(name for name, count in found.items() if count > 1)
    alike = sum(names <= set(common) for names in below.values())
    sides = all(side_of(name) is not None for name in common)
    if len(below) < 3 or not 2 <= len(common) < len(below) or alike < _ALIKE * len(below) or sides:
        return
    pattern = "^([^/]+)/" if tree.sides is None else "^[^/]+/([^/]+)/"
    some, names = (listing([repr(name) for name in found], 3) for found in (sorted(below), common))
    raise DataError(
        f"{tree.root} has {len(below)} folders ({some}), and {'all' if alike == len(below) else alike} of them hold "
        f"the same sub-folders: {names}. These look like the classes, and the folders above them like patients "
        f"(groups). If so, add --label-level 2 --group-pattern '{pattern}' to the command; if the {len(below)} folders "
        "are the classes after all, --label-level 1."
    )


def _labels_at(tree: _Tree, level: int) -> list[str]:
    place = level - 1 if level > 0 else level
    folders = [inner[:-1] for inner in tree.inner]
    shallow = [
        "/".join(part) for part, above in zip(tree.parts, folders, strict=True) if not -len(above) <= place < len(above)
    ]
    if shallow:
        raise DataError(
            f"--label-level {level}: {len(shallow)} of {len(folders)} images in {tree.root} have no folder at that "
            f"level: {listing(shallow, 5)}. Level 1 is the first folder below the data, -1 the innermost."
        )
    return [above[place] for above in folders]
