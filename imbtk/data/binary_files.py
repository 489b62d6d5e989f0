"""Folders of published image sets in binary files: the binary CIFAR-10 and CIFAR-100, and idx files (MNIST's form)."""

from __future__ import annotations

import dataclasses
import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch

from imbtk.data.arrays import dataset_from_arrays
from imbtk.data.dataset import Dataset
from imbtk.data.naming import NAMES_OF_LABELS
from imbtk.data.options import DataOptions
from imbtk.data.store import Progress
from imbtk.errors import DataError
from imbtk.wording import listing

__all__ = ["BinarySource", "is_binary", "read_sides"]

Samples = tuple[np.ndarray, np.ndarray]

_CIFAR10 = ([f"data_batch_{number}.bin" for number in range(1, 6)], ["test_batch.bin"], 1, "batches.meta.txt")
_CIFAR100 = (["train.bin"], ["test.bin"], 2, "fine_label_names.txt")
"""Files of the training and the test side, bytes of labels before each image (the last one is read), names."""

_PICKLES = ("data_batch_1", "test_batch", "train", "test")
_PIXELS = (3, 32, 32)

_IDX = (("train-images", "train-labels"), ("t10k-images", "t10k-labels"))
_MOST_INFLATED = 1032
"""No deflated byte stands for more bytes than this."""


class BinarySource:
    """A folder of the binary version of CIFAR-10 or CIFAR-100, or of idx files; its test file is the test side."""

    name = "binary"
    summary = "a folder of the binary CIFAR-10 or CIFAR-100 (.bin), or of idx files such as Fashion-MNIST's"

    def accepts(self, data: object, options: DataOptions) -> bool:
        """Return whether `data` is the path of a folder that has such files, or those of CIFAR's Python version."""
        return isinstance(data, (str, Path)) and is_binary(Path(data).expanduser())

    def load(self, data: object, options: DataOptions, progress: Progress | None = None) -> Dataset:
        """Return the data set.

        Raises
        ------
        DataError
            If a file is missing, of another size than it should be, or holds pickles.
        """
        root = Path(str(data)).expanduser()
        parts, names = read_sides(root)
        labels = np.concatenate([labels for _, labels in parts])
        counts = [len(labels) for _, labels in parts]
        dataset = dataset_from_arrays(
            np.concatenate([images for images, _ in parts]),
            labels,
            None,
            options,
            name=root.resolve().name,
            given_split=torch.from_numpy(np.repeat([0, 2], counts)),
            row_names=[f"{side}[{row}]" for side, n in zip(("train", "test"), counts, strict=True) for row in range(n)],
            progress=progress,
        )
        dataset.description.update({"source": "binary", "path": str(root.resolve())})
        return _named(dataset, names)


def is_binary(root: Path) -> bool:
    """Return whether a folder has such files, or those of CIFAR's Python version."""
    if not root.is_dir():
        return False
    return _cifar(root) is not None or _idx_file(root, _IDX[0][0]) is not None or _is_pickled(root)


def read_sides(root: Path) -> tuple[list[Samples], list[str]]:
    """Return images, (N, H, W) or (N, 3, 32, 32), and labels (N,) of training and test side, and names of classes.

    Names are by the number of the label; none where no file says them.

    Raises
    ------
    DataError
        If a file is missing, of another size than it should be, or holds pickles.
    """
    names: list[str] = []
    if (form := _cifar(root)) is not None:
        *sides, bytes_of_label, names_file = form
        parts = [_read_cifar(root, files, bytes_of_label) for files in sides]
        names = _read_names(root / names_file)
        largest = max(int(labels.max()) for _, labels in parts)
        if names and largest >= len(names):
            raise DataError(f"{root / names_file} names {len(names)} classes, and there is a label {largest}.")
    elif _is_pickled(root):
        raise DataError(
            f"{root} holds the Python version of CIFAR, whose files are pickles: reading one may run any code, and "
            "imbtk does not. Get the binary version (cifar-10-binary.tar.gz, cifar-100-binary.tar.gz)."
        )
    else:
        parts = [(_read_idx(root, images, 3), _read_idx(root, labels, 1)) for images, labels in _IDX]
        _check_idx(root, parts)
    return parts, names


def _cifar(root: Path) -> tuple[list[str], list[str], int, str] | None:
    """Return the form of CIFAR that a folder has; None if it has none."""
    if any((root / name).is_file() for name in (*_CIFAR10[0], *_CIFAR10[1])):
        return _CIFAR10
    return _CIFAR100 if all((root / name).is_file() for name in ("train.bin", "test.bin")) else None


def _is_pickled(root: Path) -> bool:
    known = (root / "batches.meta").is_file() or (root / "meta").is_file()
    return known and any((root / name).is_file() for name in _PICKLES)


def _read_cifar(root: Path, files: list[str], bytes_of_label: int) -> Samples:
    """Return images (N, 3, 32, 32) and labels (N,) of one side."""
    missing = [name for name in files if not (root / name).is_file()]
    if missing:
        raise DataError(f"{root} lacks {listing(missing)}: a part of CIFAR would be another data set. Unpack it anew.")
    record = bytes_of_label + math.prod(_PIXELS)
    images, labels = [], []
    for name in files:
        size = (root / name).stat().st_size
        if not size or size % record:
            raise DataError(
                f"{root / name} has {size} bytes, which is no multiple of {record} (labels and 32x32 pixels of an "
                "image): it is truncated, or something else. Get it again."
            )
        rows = np.fromfile(root / name, dtype=np.uint8).reshape(-1, record)
        images.append(rows[:, bytes_of_label:].reshape(-1, *_PIXELS))
        labels.append(rows[:, bytes_of_label - 1].astype(np.int64))
    return np.concatenate(images), np.concatenate(labels)


def _read_names(path: Path) -> list[str]:
    """Return the names of the classes, a line each; none if there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as the names of the classes, one a line: {error}.") from None
    return [line.strip() for line in lines if line.strip()]


def _named(dataset: Dataset, names: list[str]) -> Dataset:
    """Return the data set with a name for each number that is a label in it."""
    if not names:
        return dataset
    given = {number: names[int(number)] for number in dataset.class_names}
    description = {**dataset.description, NAMES_OF_LABELS: given}
    return dataclasses.replace(dataset, class_names=tuple(given.values()), description=description)


def _idx_file(root: Path, stem: str) -> Path | None:
    """Return the file of a part, ``train-images-idx3-ubyte`` or with a dot, compressed or not; else None."""
    axes = 3 if stem.endswith("images") else 1
    names = [f"{stem}{mark}idx{axes}-ubyte{ending}" for mark in "-." for ending in ("", ".gz")]
    return next((root / name for name in names if (root / name).is_file()), None)


def _read_idx(root: Path, stem: str, axes: int) -> np.ndarray:
    """Return the array of one idx file, whose size is checked against its head before it is read."""
    path = _idx_file(root, stem)
    if path is None:
        raise DataError(f"{root} lacks {stem}-idx{axes}-ubyte (or .gz): images and labels of both sides are needed.")
    head = 4 + 4 * axes
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(head)
            if len(start) < head or start[:4] != bytes((0, 0, 8, axes)):
                raise DataError(f"{path} does not begin as an idx file of bytes with {axes} axes. Get it again.")
            shape = tuple(int(n) for n in np.frombuffer(start[4:], dtype=">u4"))
            wanted, size = math.prod(shape), path.stat().st_size
            possible = size * _MOST_INFLATED if path.suffix == ".gz" else size - head
            values = file.read(wanted + 1) if wanted <= possible else b""
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from None
    if len(values) != wanted:
        raise DataError(
            f"{path} says that it holds {' x '.join(map(str, shape))} bytes, and it holds "
            f"{'more' if len(values) > wanted else 'fewer'}: it is truncated, or something else. Get it again."
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _check_idx(root: Path, parts: list[Samples]) -> None:
    """Refuse images and labels of another number, and sides with images of different sizes."""
    for (images, labels), (name, _) in zip(parts, _IDX, strict=True):
        if len(images) != len(labels):
            raise DataError(f"{root}: {name} has {len(images)} images and {len(labels)} labels. Get the files again.")
    shapes = [images.shape[1:] for images, _ in parts]
    if shapes[0] != shapes[1]:
        raise DataError(f"{root}: training images are {shapes[0]} and test images {shapes[1]}. Get the files again.")
