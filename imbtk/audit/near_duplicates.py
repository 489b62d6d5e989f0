"""Which images are the same, and which are nearly the same: contents, perceptual hashes, and a look at the pixels.

Two images are taken for nearly the same if at most 2 of the 63 bits of their perceptual hashes differ *and* their grey
thumbnails correlate with at least 0.99. A hash alone cries wolf: of the 70,000 images of Fashion-MNIST it joins 21,449
pairs, 2,155 of them across classes, of which 76 are left, none across classes. What is found: the same image saved
again, made smaller, a little brighter. What is not: images that were cut, shifted, turned or mirrored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from scipy import fft
from torch.nn import functional

from imbtk.data.store import Progress

__all__ = [
    "MOST_BITS",
    "SMALLEST_CORRELATION",
    "NearPairs",
    "content_numbers",
    "grey",
    "near_pairs",
    "perceptual_hashes",
    "same_but_for",
]

MOST_BITS = 2
SMALLEST_CORRELATION = 0.99
LEAST_CONTRAST = 2.0
"""Standard deviation of grey, of 255, under which there is nothing in an image to compare."""

_KEPT = 8
_THUMBNAIL = 32
_BLOCKS = ((0, 21), (21, 42), (42, 63))
_CHUNK = 2048
_MOST_COMPARISONS = 100_000_000
_MOST_PAIRS = 1_000_000


def content_numbers(x: torch.Tensor) -> np.ndarray:
    """Return a number for each row, the same for rows of the same content, (N,) int64.

    Parameters
    ----------
    x : Tensor, shape (N, …)
    """
    seen: dict[bytes, int] = {}
    rows = x.reshape(len(x), -1).numpy()
    numbers = (seen.setdefault(hashlib.blake2b(row, digest_size=16).digest(), len(seen)) for row in rows)
    return np.fromiter(numbers, dtype=np.int64, count=len(rows))


def grey(images: torch.Tensor) -> torch.Tensor:
    """Return the luma of images, float32, (B, H, W), for uint8 of shape (B, C, H, W), C 1 or 3."""
    if images.shape[1] == 1:
        return images[:, 0].float()
    return torch.einsum("bchw,c->bhw", images.float(), torch.tensor([0.299, 0.587, 0.114]))


def perceptual_hashes(images: torch.Tensor, progress: Progress | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the hash of each image, (N,) uint64, and its contrast, (N,) float32.

    Parameters
    ----------
    images : Tensor of uint8, shape (N, C, H, W), H and W at least 8
    progress : callable, optional

    Notes
    -----
    pHash: bit i says whether the i-th of the 8 × 8 lowest frequencies of the discrete cosine transform, but for the
    mean, is above their median. The transform is taken of the stored image, not of one that was made smaller before.

    References
    ----------
    Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", section 3.2.1.
    """
    height, width = images.shape[2:]
    down, across = (
        torch.from_numpy(fft.dct(np.eye(side), axis=0, norm="ortho")[:_KEPT]).float() for side in (height, width)
    )
    powers = np.left_shift(np.uint64(1), np.arange(_KEPT**2 - 1, dtype=np.uint64))
    hashes, contrast = np.zeros(len(images), dtype=np.uint64), np.zeros(len(images), dtype=np.float32)
    for start in range(0, len(images), _CHUNK):
        part = grey(images[start : start + _CHUNK])
        low = (down @ part @ across.T).reshape(len(part), -1)[:, 1:]
        bits = (low > low.median(dim=1, keepdim=True).values).numpy()
        hashes[start : start + len(part)] = (bits * powers).sum(axis=1, dtype=np.uint64)
        contrast[start : start + len(part)] = part.flatten(1).std(dim=1).numpy()
        if progress is not None:
            progress("comparing images", start + len(part), len(images))
    return hashes, contrast


@dataclass(frozen=True)
class NearPairs:
    """Pairs of rows, the smaller row first, (M, 2) int64, in order; `complete` unless there was too much to compare."""

    pairs: np.ndarray
    complete: bool


def near_pairs(hashes: np.ndarray, rows: np.ndarray | None = None) -> NearPairs:
    """Return the pairs of rows whose hashes differ in at most :data:`MOST_BITS` of 63 bits.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (N,)
    rows : ndarray of int64, optional
        Only these.

    Notes
    -----
    Hashes that differ in two bits are alike in one of three blocks of 21 bits at least, so that only rows that share a
    block are compared: neighbours in the order of that block first, then those two apart, and so on.
    """
    rows = np.arange(len(hashes)) if rows is None else rows
    mine, found, complete = hashes[rows], [np.empty((0, 2), dtype=np.int64)], True
    for low, high in _BLOCKS:
        block = (mine >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.lexsort((mine, block))
        block, ordered = block[order], mine[order]
        start, compared, kept = np.arange(len(rows)), 0, 0
        for apart in range(1, len(rows)):
            start = start[start < len(rows) - apart]
            start = start[block[start] == block[start + apart]]
            compared += len(start)
            if not len(start):
                break
            if compared > _MOST_COMPARISONS or kept > _MOST_PAIRS:
                complete = False
                break
            close = start[same_but_for(ordered[start], ordered[start + apart])]
            kept += len(close)
            found.append(np.stack([rows[order[close]], rows[order[close + apart]]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1)
    return NearPairs(np.unique(pairs, axis=0), complete)


def same_but_for(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return whether hashes differ in at most :data:`MOST_BITS` bits, (M,) bool."""
    differing = first ^ second
    for _ in range(MOST_BITS):
        differing &= differing - np.uint64(1)  # takes away the lowest bit that is set
    alike: np.ndarray = differing == 0
    return alike


def confirmed(images: torch.Tensor, pairs: np.ndarray) -> np.ndarray:
    """Return which pairs correlate with at least :data:`SMALLEST_CORRELATION` as grey thumbnails, (M,) bool."""
    alike = np.zeros(len(pairs), dtype=bool)
    if not len(pairs):
        return alike
    rows, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)
    thumbs = np.concatenate([_thumbnails(images, rows[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK)])
    for i in range(0, len(pairs), _CHUNK):
        left, right = places[i : i + _CHUNK].T
        alike[i : i + _CHUNK] = np.einsum("md,md->m", thumbs[left], thumbs[right]) >= SMALLEST_CORRELATION
    return alike


def _thumbnails(images: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    """Return grey thumbnails of mean 0 and norm 1, float32, (n, D)."""
    part = grey(images[torch.from_numpy(rows)])
    size = tuple(min(side, _THUMBNAIL) for side in part.shape[1:])
    small = functional.interpolate(part[:, None], size=size, mode="bilinear", antialias=True, align_corners=False)
    flat = small.flatten(1)
    centred: np.ndarray = functional.normalize(flat - flat.mean(dim=1, keepdim=True)).numpy()
    return centred
