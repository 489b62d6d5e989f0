"""The binary CIFAR and idx files, on tiny files of these forms written byte by byte."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from imbtk.data import DataOptions, load
from imbtk.data.new_rows import new_rows
from imbtk.errors import DataError

RNG = np.random.default_rng(0)


def _cifar10(folder: Path) -> Path:
    """Write two images a file, of the classes 0 and 2, the red plane of the first 7 all over."""
    folder.mkdir()
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        pixels = RNG.integers(0, 256, (2, 3072), dtype=np.uint8)
        pixels[0, :1024] = 7
        content = b"".join(bytes([label]) + row.tobytes() for label, row in zip((0, 2), pixels, strict=True))
        (folder / f"{name}.bin").write_bytes(content)
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\nbird\n\n", encoding="utf-8")
    return folder


def _idx(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def _fashion(folder: Path, ending: str = ".gz") -> Path:
    folder.mkdir()
    for part, count in (("train", 6), ("t10k", 4)):
        for stem, values in (
            ("images-idx3", RNG.integers(0, 256, (count, 28, 28), dtype=np.uint8)),
            ("labels-idx1", np.arange(count, dtype=np.uint8) % 2),
        ):
            content = _idx(values)
            (folder / f"{part}-{stem}-ubyte{ending}").write_bytes(gzip.compress(content) if ending else content)
    return folder


def test_the_binary_cifar10_with_its_names_and_test_side(tmp_path: Path) -> None:
    dataset = load(_cifar10(tmp_path / "cifar"))
    assert dataset.x.shape == (12, 3, 32, 32)
    assert dataset.class_names == ("airplane", "bird")
    assert dataset.labels.tolist() == [0, 1] * 6
    assert dataset.given_split is not None
    assert dataset.given_split.tolist() == [0] * 10 + [2] * 2
    assert bool((dataset.x[0, 0] == 7).all())
    assert not bool((dataset.x[0, 1] == 7).all())
    assert dataset.row_names[10] == "test[0]"


def test_of_cifar100_the_fine_label_is_read(tmp_path: Path) -> None:
    for name, n in (("train", 4), ("test", 2)):
        rows = [bytes([9, row % 2]) + RNG.integers(0, 256, 3072, dtype=np.uint8).tobytes() for row in range(n)]
        (tmp_path / f"{name}.bin").write_bytes(b"".join(rows))
    dataset = load(tmp_path)
    assert dataset.labels.tolist() == [0, 1] * 3
    assert dataset.class_names == ("0", "1")
    (tmp_path / "fine_label_names.txt").write_text("apple\n", encoding="utf-8")
    with pytest.raises(DataError, match="names 1 classes, and there is a label 1"):
        load(tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_compressed_or_not(tmp_path: Path, ending: str) -> None:
    dataset = load(_fashion(tmp_path / "fashion", ending))
    assert dataset.x.shape == (10, 1, 28, 28)
    assert dataset.given_split is not None
    assert dataset.given_split.tolist() == [0] * 6 + [2] * 4
    assert dataset.labels.tolist() == [0, 1] * 5


def test_new_rows_are_those_of_the_test_side(tmp_path: Path) -> None:
    folder = _cifar10(tmp_path / "cifar")
    rows = new_rows([folder], DataOptions(), {"kind": "images", "class_names": ["airplane", "bird"]}, labelled=True)
    assert rows.names == ("test[0]", "test[1]")
    assert rows.labels == ("airplane", "bird")
    assert rows.values.shape == (2, 3, 32, 32)
    assert rows.notes == ("Of cifar the test side is read, the training side is not (--ignore-split reads all).",)
    every = new_rows([folder], DataOptions(ignore_split=True), {"kind": "images", "class_names": ["airplane", "bird"]})
    assert len(every) == 12
    assert every.labels is None


@pytest.mark.parametrize("keep", [0, 3000, 3074])
def test_a_truncated_cifar_file(tmp_path: Path, keep: int) -> None:
    file = _cifar10(tmp_path / "cifar") / "data_batch_3.bin"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"data_batch_3.bin has {keep} bytes, which is no multiple of 3073"):
        load(file.parent)


def test_a_cifar_folder_without_a_part(tmp_path: Path) -> None:
    folder = _cifar10(tmp_path / "cifar")
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_2\.bin: a part of CIFAR would be another data set"):
        load(folder)


def test_the_python_version_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "batches.meta").write_bytes(b"never read")
    (tmp_path / "data_batch_1").write_bytes(b"never read")
    with pytest.raises(DataError, match="whose files are pickles"):
        load(tmp_path)


def test_class_names_that_are_no_text(tmp_path: Path) -> None:
    folder = _cifar10(tmp_path / "cifar")
    (folder / "batches.meta.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="cannot be read as the names of the classes"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0\0\x08", "does not begin as an idx file of bytes with 3 axes"),
        (bytes((0, 0, 13, 3)) + bytes(12), "does not begin as an idx file"),
        (bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**31, 2**31, 2**31), "it holds fewer: it is truncated"),
        (_idx(np.zeros((6, 28, 28), np.uint8))[:-1], "6 x 28 x 28 bytes, and it holds fewer"),
        (_idx(np.zeros((6, 28, 28), np.uint8)) + b"\0", "it holds more"),
        (_idx(np.zeros((5, 28, 28), np.uint8)), "train-images has 5 images and 6 labels"),
        (_idx(np.zeros((6, 20, 28), np.uint8)), r"training images are \(20, 28\) and test images \(28, 28\)"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_broken_idx_file(tmp_path: Path, content: bytes, said: str, ending: str) -> None:
    folder = _fashion(tmp_path / "fashion", ending)
    file = folder / f"train-images-idx3-ubyte{ending}"
    file.write_bytes(gzip.compress(content) if ending else content)
    with pytest.raises(DataError, match=said):
        load(folder)


def test_a_cut_gzip_file_and_a_missing_one(tmp_path: Path) -> None:
    folder = _fashion(tmp_path / "fashion")
    file = folder / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz cannot be read"):
        load(folder)
    file.unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        load(folder)
