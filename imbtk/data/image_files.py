"""From a list of labelled image files to a data set: what a folder and a manifest have in common."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from imbtk.data.breakhis import parse_all, parse_name
from imbtk.data.dataset import Dataset
from imbtk.data.domain import domain_of
from imbtk.data.dropping import with_groups
from imbtk.data.faults import BrokenFilesError
from imbtk.data.groups import GroupKeys, keys_from_breakhis, keys_from_pattern
from imbtk.data.labels import check_classes, encode_labels
from imbtk.data.options import DataOptions
from imbtk.data.store import Progress, stored_images
from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageFiles",
    "dataset_from_files",
    "group_keys",
    "images_below",
    "looks_like_image",
    "nearly_breakhis",
]

IMAGE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "tif", "tiff", "gif", "webp"),
        *("ppm", "pgm", "pbm", "pnm", "jp2", "tga", "avif"),
    )
)

MOST_STRANGE = 0.5
"""Up to this share of files without a BreakHis name the others are no coincidence."""


def images_below(root: Path) -> list[tuple[str, ...]]:
    """Return the parts of the path of each image below a folder, sorted; hidden files and folders are left out.

    Raises
    ------
    DataError
        If there is none.
    """
    parts: list[tuple[str, ...]] = []
    for folder, subfolders, files in os.walk(root, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
        above = Path(folder).relative_to(root).parts
        parts += [(*above, name) for name in files if looks_like_image(name) and not name.startswith(".")]
    if not parts:
        raise DataError(
            f"{root} holds no images (.png, .jpg, .tif, .bmp, .webp, …). Give a folder of images (to train, with one "
            "folder for each class), a CSV file, or an .npz file."
        )
    return sorted(parts)


def looks_like_image(path: str) -> bool:
    """Return whether a path ends like an image file."""
    return Path(path).suffix.casefold() in IMAGE_SUFFIXES


@dataclass(frozen=True)
class ImageFiles:
    """Image files with what a source knows about them.

    Attributes
    ----------
    source : str
        The kind of source, for the record.
    location : Path
        The folder or manifest.
    paths : sequence of Path, length N
    row_names : sequence of str, length N
        Paths within the data, with forward slashes.
    labels : sequence, length N
    where : str
        What the labels are, for messages.
    keys : GroupKeys, optional
        Groups that the source knows of, of less weight than a pattern or BreakHis names unless `asked`.
    asked : bool
        Whether the user named the groups' column.
    given_split : Tensor of int64, shape (N,), optional
    notes : tuple of str
    """

    source: str
    location: Path
    paths: Sequence[Path]
    row_names: Sequence[str]
    labels: Sequence[object]
    where: str
    keys: GroupKeys | None = None
    asked: bool = False
    given_split: torch.Tensor | None = None
    notes: tuple[str, ...] = ()
    description: dict[str, Any] = field(default_factory=dict)

    def take(self, rows: Sequence[int]) -> ImageFiles:
        """Return the files of some rows."""
        return replace(
            self,
            paths=[self.paths[row] for row in rows],
            row_names=[self.row_names[row] for row in rows],
            labels=[self.labels[row] for row in rows],
            keys=None if self.keys is None else self.keys.take(rows),
            given_split=None if self.given_split is None else self.given_split[torch.tensor(rows, dtype=torch.int64)],
        )


def group_keys(files: ImageFiles, options: DataOptions) -> GroupKeys | None:
    """Return groups from where they are said most plainly: the user, BreakHis names, a column of a telling name."""
    if options.groups == "none":
        return None
    if options.group_pattern is not None:
        return keys_from_pattern(options.group_pattern, files.row_names)
    if options.groups == "breakhis":
        return keys_from_breakhis(files.row_names)
    if files.asked:
        return files.keys
    if parse_all(files.row_names):
        return keys_from_breakhis(files.row_names)
    return files.keys


def nearly_breakhis(files: ImageFiles, options: DataOptions) -> tuple[str, ...]:
    """Return what must be said of files most of which, and not all, have BreakHis names: patients are not read then."""
    if options.groups == "none" or group_keys(files, options) is not None:
        return ()
    strange = [name for name in files.row_names if parse_name(name) is None]
    total = len(files.row_names)
    if not strange or len(strange) > MOST_STRANGE * total:
        return ()
    return (
        f"Patients are not known, although {total - len(strange)} of {total} files have BreakHis names that say them: "
        f"{listing(strange, 5)} {'has' if len(strange) == 1 else 'have'} none, so names are not relied on, and images "
        "of one patient may stand on two sides of the split. Rename such files or take them out (--groups breakhis "
        "insists on BreakHis names and stops at every file without one), give a --group-pattern that matches all "
        "names, or say --groups none if rows are to be dealt one by one.",
    )


def dataset_from_files(files: ImageFiles, options: DataOptions, progress: Progress | None) -> Dataset:
    """Return the data set of labelled image files.

    Raises
    ------
    DataError
        If labels, groups or files are not as they should be.
    """
    labels, class_names = encode_labels(files.labels, files.where, files.row_names)
    check_classes(labels, class_names, files.where)
    keys = group_keys(files, options)
    try:
        stored = stored_images(
            files.paths,
            files.row_names,
            image_size=options.image_size,
            resize=options.resize,
            cache_dir=options.cache_dir,
            progress=progress,
        )
    except BrokenFilesError as error:
        if options.faults is None:
            raise
        options.faults.broken |= {files.row_names[row]: reason for row, reason in error.reasons.items()}
        kept = [row for row in range(len(files.paths)) if row not in error.reasons]
        return dataset_from_files(files.take(kept), options, progress)
    channels, size = stored.images.shape[1], stored.images.shape[2]
    digest = hashlib.sha256(stored.content.encode())
    digest.update(repr((tuple(files.row_names), [class_names[k] for k in labels.tolist()])).encode())
    dataset = Dataset(
        name=files.location.name or str(files.location),
        kind="images",
        x=stored.images,
        labels=labels,
        class_names=class_names,
        given_split=files.given_split,
        row_names=tuple(files.row_names),
        domain=domain_of(options, str(files.location), class_names, channels, parse_all(files.row_names) is not None),
        preprocessing={"kind": "images", "size": size, "resize": options.resize, "channels": channels},
        notes=(*files.notes, *nearly_breakhis(files, options), *stored.notes),
        description={
            "source": files.source,
            "path": str(files.location),
            "files": len(files.paths),
            "digest": digest.hexdigest(),
            **files.description,
        },
    )
    return with_groups(dataset, keys, stored.digests, options)
