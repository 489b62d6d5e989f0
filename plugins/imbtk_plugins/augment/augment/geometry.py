"""Affine maps of whole image batches: one 2×3 matrix per sample, one sampling pass for all.

Matrices lead from *output* to *input* coordinates, both normalised so that the image spans [-1, 1] from edge to edge on
each axis (x to the right, y down): the convention of ``torch.nn.functional.grid_sample`` with ``align_corners=False``.
They are made by NumPy: a few dozen operations on B numbers cost less there than their dispatch by torch, and on a GPU
much less.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import grid_sample

__all__ = ["Fill", "Interpolation", "inverse_affine", "mirror_and_turn", "warp"]

Fill = Literal["nearest", "reflect", "constant"]
"""What lies outside an image: its edge pixel, its mirror image (the edge pixel twice, Keras's "reflect"), one value."""

Interpolation = Literal["nearest", "bilinear"]
"""The nearest input pixel, or the weighted mean of the four around."""

_PADDING = {"nearest": "border", "reflect": "reflection", "constant": "zeros"}


def inverse_affine(
    rotation: np.ndarray,
    shift_x: np.ndarray,
    shift_y: np.ndarray,
    scale: np.ndarray,
    shear: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Return the matrices that look up "shear, scale, rotate about the centre, then shift".

    Parameters
    ----------
    rotation : ndarray of float, shape (B,)
        Radians, clockwise as the image is seen.
    shift_x, shift_y : ndarray of float, shape (B,)
        Fraction of the width to the right, fraction of the height down.
    scale : ndarray of float, shape (B,)
        Magnification, above 0: 2 shows everything twice as large.
    shear : ndarray of float, shape (B,)
        Radians along x, below π/2: rows above the centre move to the right.
    size : (int, int)
        Height and width in pixels: angles are those of the pixels, whatever the image's aspect.

    Returns
    -------
    ndarray of float32, shape (B, 2, 3)

    Notes
    -----
    In pixels from the centre the image moves by ``T(shift) R(rotation) Sh(shear) scale``, the order and the signs of
    ``torchvision.transforms.functional.affine``; this is its inverse.
    """
    height, width = size
    tan, sin, cos = np.tan(shear), np.sin(rotation) / scale, np.cos(rotation) / scale
    matrices = np.empty((len(rotation), 2, 3), np.float32)
    matrices[:, 0, 0] = xx = cos - tan * sin
    matrices[:, 0, 1] = xy = (sin + tan * cos) * (height / width)
    matrices[:, 1, 0] = yx = -sin * (width / height)
    matrices[:, 1, 1] = cos
    # An image spans two units, so a shift by the fraction f is a shift by 2 f.
    matrices[:, 0, 2] = -2 * (xx * shift_x + xy * shift_y)
    matrices[:, 1, 2] = -2 * (yx * shift_x + cos * shift_y)
    return matrices


def mirror_and_turn(
    matrices: np.ndarray,
    horizontal: np.ndarray | None,
    vertical: np.ndarray | None,
    turns: np.ndarray | None,
) -> np.ndarray:
    """Return matrices that mirror and turn what the given ones show.

    Parameters
    ----------
    matrices : ndarray of float32, shape (B, 2, 3)
    horizontal, vertical : ndarray of bool, shape (B,), optional
        Whether left and right, top and bottom, change places; None is nowhere.
    turns : ndarray of int, shape (B,), optional
        Counter-clockwise quarter turns after mirroring, 0 to 3; odd ones are for square images only.

    Returns
    -------
    ndarray of float32, shape (B, 2, 3)
    """
    out = matrices.copy()
    if horizontal is not None:
        out[horizontal, :, 0] *= -1
    if vertical is not None:
        out[vertical, :, 1] *= -1
    if turns is not None:
        # Exact zeros and ones: a quarter turn moves pixels and blends none.
        cos, sin = _QUARTERS[turns, :, None].swapaxes(0, 1)
        x, y = out[:, :, 0], out[:, :, 1]
        out[:, :, 0], out[:, :, 1] = x * cos + y * sin, y * cos - x * sin
    return out


_QUARTERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
"""Cosine and sine of each quarter turn."""


@lru_cache(maxsize=32)
def _pixels(count: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return the normalised coordinates of the centres of the pixels of one axis, (count,)."""
    return (torch.arange(count, device=device, dtype=dtype) * 2 + (1 - count)) / count


def _grid(matrices: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return where each pixel of the output lies in the input, (B, height, width, 2), for ``grid_sample``.

    A matrix product would do the same, but its rounding hangs on the size of the batch, on the processor and on
    autocast, and a last digit decides which of two pixels is the nearest. A sum of what hangs on the column and what
    hangs on the row is one pass over the pixels, each product and each sum rounded by itself, anywhere.
    """
    rows = matrices.reshape(-1, 3)
    down = rows[:, 1:2] * _pixels(height, rows.device, rows.dtype) + rows[:, 2:]
    across = rows[:, :1] * _pixels(width, rows.device, rows.dtype)
    return (down[:, :, None] + across[:, None, :]).view(-1, 2, height, width).permute(0, 2, 3, 1)


def warp(
    images: torch.Tensor,
    matrices: torch.Tensor,
    fill: Fill = "nearest",
    value: float = 0.0,
    interpolation: Interpolation = "bilinear",
) -> torch.Tensor:
    """Return the images as their matrices show them.

    Parameters
    ----------
    images : Tensor of float, shape (B, C, H, W), values in [0, 1]
    matrices : Tensor of float, shape (B, 2, 3)
        From output to input coordinates.
    fill : "nearest", "reflect" or "constant"
        What lies outside an image.
    value : float
        For ``fill="constant"``, in [0, 1].
    interpolation : "nearest" or "bilinear"

    Returns
    -------
    Tensor of float, shape (B, C, H, W), values in [0, 1]
        A new tensor.
    """
    height, width = images.shape[2:]
    grid = _grid(matrices.to(images.dtype), height, width)
    shifted = fill == "constant" and value != 0
    source = images - value if shifted else images
    out = grid_sample(source, grid, interpolation, _PADDING[fill], align_corners=False)
    if shifted:
        out += value
    # Four weights may sum to a hair above one.
    return out.clamp_(0, 1) if shifted or interpolation == "bilinear" else out
