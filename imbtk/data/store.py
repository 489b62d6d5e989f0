"""The store: images decoded and resized once, uint8, memory-mapped.

A store is a folder ``images-<key>`` in the cache: ``images.npy`` (N, C, S, S) uint8, ``digests.npy`` (N, 16) uint8 of
the pixels before resizing, ``meta.json``. The key is a digest of every file's bytes in order and of the policy. Reading
all bytes costs a hundredth of decoding them, and unlike sizes and times of change it cannot be wrong: a file that is
overwritten within one tick of the clock, or restored with an old date, is noticed.

A store is written under a temporary name and renamed, so a reader sees all of it or nothing; of two processes that
write the same one, the second finds it there and throws its own away.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from imbtk.data.decode import (
    POLICY_VERSION,
    Resize,
    UnreadableImageError,
    fit_to_size,
    image_to_array,
    probe,
    read_image,
    reason_of,
    remark_sentences,
    with_channels,
)
from imbtk.data.faults import BrokenFilesError
from imbtk.errors import DataError
from imbtk.files import cache_folder
from imbtk.wording import listing

__all__ = [
    "Progress",
    "StoredImages",
    "available_cores",
    "common_size",
    "on_all_cores",
    "pixel_digest",
    "stored_images",
]

Progress = Callable[[str, int, int], None]
"""``(description, done, total) -> None``."""

LARGEST_DEFAULT = 64
"""Images get no larger than this unless the user says so."""

_STALE_SECONDS = 24 * 3600
_STRETCH = 16
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class StoredImages:
    """Decoded images.

    Attributes
    ----------
    images : Tensor of uint8, shape (N, C, S, S)
    digests : ndarray of uint8, shape (N, 16)
        Of each image's pixels before resizing.
    content : str
        Digest of all files' bytes.
    notes : tuple of str
        What decoding lost.
    """

    images: torch.Tensor
    digests: np.ndarray
    content: str
    notes: tuple[str, ...]


def common_size(sides: Sequence[int]) -> int:
    """Return the size that images of these longer sides get by default.

    The side that more than half of the images share, else the longest one; in any case at most 64.
    """
    side, count = Counter(sides).most_common(1)[0]
    return min(side if 2 * count > len(sides) else max(sides), LARGEST_DEFAULT)


def pixel_digest(pixels: np.ndarray) -> np.ndarray:
    """Return 16 bytes, uint8, that stand for pixels (C, H, W) and their shape."""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def available_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_all_cores(
    work: Callable[[int], _Result], count: int, progress: Progress | None, description: str
) -> list[_Result]:
    """Return ``[work(0), …, work(count - 1)]``, done by a thread for each core.

    Threads, because what takes the time lets go of the interpreter: reading and hashing files, Pillow's decoders and
    resizing. Of a very small image that is two fifths of it: there more cores help little.
    """
    cores = available_cores()
    # Several rows at a time: handing over one costs a tenth of decoding a small image.
    size = max(1, min(_STRETCH, count // (4 * cores)))
    results: list[_Result] = []

    def stretch(start: int) -> list[_Result]:
        return [work(row) for row in range(start, min(start + size, count))]

    with ThreadPoolExecutor(cores) as pool:
        told = 0
        for found in pool.map(stretch, range(0, count, size)):
            results += found
            if progress is not None and (len(results) - told >= count // 200 or len(results) == count):
                told = len(results)
                progress(description, told, count)
    return results


class _Failures:
    """Files that could not be read, each with the reason."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.reasons: dict[int, str] = {}

    def attempt(self, work: Callable[[int], _Result]) -> Callable[[int], _Result | None]:
        """Return `work` such that a file that cannot be read is written down, and not asked again."""

        def tried(row: int) -> _Result | None:
            if row in self.reasons:
                return None
            try:
                return work(row)
            except UnreadableImageError as error:
                self.reasons[row] = str(error)
                return None

        return tried

    def raise_if_any(self) -> None:
        if self.reasons:
            files = [f"{self.names[row]} ({self.reasons[row]})" for row in sorted(self.reasons)]
            raise BrokenFilesError(
                f"{len(files)} of {len(self.names)} image files cannot be read: {listing(files)}. "
                "Replace them or take them out; nothing was trained.",
                dict(sorted(self.reasons.items())),
            )


def stored_images(
    paths: Sequence[Path],
    names: Sequence[str],
    *,
    image_size: int | None,
    resize: Resize,
    cache_dir: str | None = None,
    progress: Progress | None = None,
) -> StoredImages:
    """Return all images of one size, from the store if they are there, else decoded and stored.

    Parameters
    ----------
    paths : sequence of Path, length N
    names : sequence of str, length N
        What a file is called in messages.
    image_size : int, optional
        Side in pixels; None takes :func:`common_size`.
    resize : "pad", "stretch" or "crop"
    cache_dir : str, optional
    progress : callable, optional

    Raises
    ------
    BrokenFilesError
        If files are broken, all of them named.
    DataError
        If the store cannot be written.
    """
    failures = _Failures(names)
    digests = on_all_cores(
        failures.attempt(lambda row: _file_digest(paths[row])), len(paths), progress, "reading files"
    )
    content = hashlib.sha256(b"".join(digest or b"" for digest in digests)).hexdigest()
    policy = {"version": POLICY_VERSION, "size": image_size, "resize": resize}
    key = hashlib.sha256(f"{content}{json.dumps(policy)}".encode()).hexdigest()[:32]
    folder = cache_folder(cache_dir) / f"images-{key}"
    if failures.reasons or not (folder / "meta.json").is_file():
        try:
            _write_store(folder, paths, failures, image_size, resize, progress)
        except OSError as error:
            raise DataError(
                f"the image store {folder} cannot be written: {reason_of(error)}. Give another folder with --cache-dir "
                "or the environment variable IMBTK_CACHE."
            ) from None
    return _open_store(folder, len(paths), content)


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UnreadableImageError(reason_of(error)) from None


def _write_store(
    folder: Path,
    paths: Sequence[Path],
    failures: _Failures,
    image_size: int | None,
    resize: Resize,
    progress: Progress | None,
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder.parent)
    # Plugins of Pillow register when first used, which two threads must not do at once.
    Image.init()
    heads = on_all_cores(failures.attempt(lambda row: probe(paths[row])), len(paths), None, "")
    found = [head for head in heads if head is not None]
    size = image_size or common_size([side for side, _ in found] or [1])
    channels = 1 if found and all(grey for _, grey in found) else 3
    temporary = folder.parent / f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    temporary.mkdir()
    try:
        meta = _decode_into(temporary, paths, failures, size=size, channels=channels, resize=resize, progress=progress)
        failures.raise_if_any()
        (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        _rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _decode_into(
    folder: Path,
    paths: Sequence[Path],
    failures: _Failures,
    size: int,
    channels: int,
    resize: Resize,
    progress: Progress | None,
) -> dict[str, Any]:
    shape = (len(paths), channels, size, size)
    needed, free = math.prod(shape), shutil.disk_usage(folder).free
    if needed > free:
        # Writing to a memory map on a full disk kills the process without a word.
        raise DataError(
            f"the image store needs {needed / 1e9:.1f} GB and {folder.parent} has {free / 1e9:.1f} GB free. Make room, "
            "take a smaller --image-size, or give another folder with --cache-dir or IMBTK_CACHE."
        )
    images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    digests = np.zeros((len(paths), 16), dtype=np.uint8)

    def decode(row: int) -> frozenset[str]:
        image, remarks = read_image(paths[row])
        image = with_channels(image, channels)
        digests[row] = pixel_digest(image_to_array(image))
        images[row] = image_to_array(fit_to_size(image, size, resize))
        return remarks

    remarks = on_all_cores(failures.attempt(decode), len(paths), progress, "decoding images")
    images.flush()
    np.save(folder / "digests.npy", digests)
    return {"remarks": Counter(remark for found in remarks for remark in found or ()), "shape": shape}


def _rename(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        # Another process was first with the same content: its store is as good as this one.
        if not (folder / "meta.json").is_file():
            raise


def _remove_stale(cache: Path) -> None:
    """Remove what processes that were killed left behind a day ago or earlier."""
    for left in cache.glob(".images-*.tmp"):
        try:
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        except FileNotFoundError:
            continue


def _open_store(folder: Path, count: int, content: str) -> StoredImages:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        # Copy on write: torch wants memory that could be written to, and the file stays as it is all the same.
        images = np.load(folder / "images.npy", mmap_mode="c")
        digests = np.load(folder / "digests.npy")
        complete = images.shape == tuple(meta["shape"]) and len(images) == len(digests) == count
    except (OSError, ValueError, KeyError, EOFError):
        complete = False
    if not complete:
        raise DataError(f"the image store {folder} is damaged. Delete that folder: it will be made again.")
    notes = remark_sentences(meta["remarks"], count)
    return StoredImages(torch.from_numpy(images), digests, content, notes)
