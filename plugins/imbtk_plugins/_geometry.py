"""Affine maps of whole image batches: one 2×3 matrix per sample, one sampling pass for all.

Maps lead from *output* to *input* coordinates, both normalised so that the image spans [-1, 1] from edge to edge on
each axis (x to the right, y down): the convention of ``torch.nn.functional.grid_sample`` with ``align_corners=False``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch.nn.functional import grid_sample

__all__ = ["Affine", "Fill", "Interpolation", "inverse_affine", "mirror_and_turn", "warp"]

Fill = Literal["nearest", "reflect", "constant"]
"""What lies outside an image: its edge pixel, its mirror image (the edge pixel twice, Keras's "reflect"), one value."""

Interpolation = Literal["nearest", "bilinear"]
"""The nearest input pixel, or the weighted mean of the four around."""

_PADDING = {"nearest": "border", "reflect": "reflection", "constant": "zeros"}


class Affine(NamedTuple):
    """The columns of 2×3 matrices: the input lies at ``across · x + down · y + offset``, each (B, 2), x before y."""

    across: torch.Tensor
    down: torch.Tensor
    offset: torch.Tensor


def inverse_affine(
    rotation: torch.Tensor,
    shift_x: torch.Tensor,
    shift_y: torch.Tensor,
    scale: torch.Tensor,
    shear: torch.Tensor,
    size: tuple[int, int],
) -> Affine:
    """Return the maps that look up "shear, scale, rotate about the centre, then shift".

    Parameters
    ----------
    rotation : Tensor of float, shape (B,)
        Radians, clockwise as the image is seen.
    shift_x, shift_y : Tensor of float, shape (B,)
        Fraction of the width to the right, fraction of the height down.
    scale : Tensor of float, shape (B,)
        Magnification, above 0: 2 shows everything twice as large.
    shear : Tensor of float, shape (B,)
        Radians along x, below π/2: rows above the centre move to the right.
    size : (int, int)
        Height and width in pixels: angles are those of the pixels, whatever the image's aspect.

    Returns
    -------
    Affine

    Notes
    -----
    In pixels from the centre the image moves by ``T(shift) R(rotation) Sh(shear) scale``, the order and the signs of
    ``torchvision.transforms.functional.affine``; this is its inverse.
    """
    height, width = size
    tan = shear.tan()
    sin, cos = rotation.sin() / scale, rotation.cos() / scale
    xx, yx = torch.addcmul(cos, tan, sin, value=-1), -sin
    xy = torch.addcmul(sin, tan, cos)
    if height != width:
        xy, yx = xy * (height / width), yx * (width / height)
    across, down = torch.stack([xx, yx], dim=1), torch.stack([xy, cos], dim=1)
    # An image spans two units, so a shift by the fraction f is a shift by 2 f.
    offset = torch.addcmul(across * shift_x[:, None], down, shift_y[:, None]).mul_(-2)
    return Affine(across, down, offset)


def mirror_and_turn(
    affine: Affine,
    horizontal: torch.Tensor | None,
    vertical: torch.Tensor | None,
    turns: torch.Tensor | None,
) -> Affine:
    """Return maps to what the given ones show, mirrored and turned.

    Parameters
    ----------
    affine : Affine
    horizontal, vertical : Tensor of bool, shape (B,), optional
        Whether left and right, top and bottom, change places; None is nowhere.
    turns : Tensor of int64, shape (B,), optional
        Counter-clockwise quarter turns after mirroring, 0 to 3; odd ones are for square images only.

    Returns
    -------
    Affine
    """
    x, y, offset = affine
    if horizontal is not None:
        x = torch.where(horizontal[:, None], -x, x)
    if vertical is not None:
        y = torch.where(vertical[:, None], -y, y)
    if turns is not None:
        # Exact zeros and ones: a quarter turn moves pixels and blends none.
        table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], device=x.device, dtype=x.dtype)
        cos, sin = table[turns][:, :, None].unbind(1)
        x, y = x * cos + y * sin, y * cos - x * sin
    return Affine(x, y, offset)


@lru_cache(maxsize=32)
def _centres(length: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return the normalised coordinates of the centres of `length` pixels."""
    return (torch.arange(length, device=device, dtype=dtype) * 2 + (1 - length)) / length


def warp(
    images: torch.Tensor,
    affine: Affine,
    fill: Fill = "nearest",
    value: float = 0.0,
    interpolation: Interpolation = "bilinear",
) -> torch.Tensor:
    """Return the images as their maps show them.

    Parameters
    ----------
    images : Tensor of float, shape (B, C, H, W), values in [0, 1]
    affine : Affine
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
    xs = _centres(width, images.device, images.dtype)
    ys = _centres(height, images.device, images.dtype)[:, None]
    across, down, offset = (column.to(images.dtype)[:, :, None, None] for column in affine)
    # Rows and columns separately, then one broadcast sum: a third of the time of a matrix product over all pixels.
    # The coordinate planes stay apart, as the sum writes them; grid_sample reads any strides.
    grid = (torch.addcmul(offset, across, xs) + down * ys).permute(0, 2, 3, 1)
    shifted = fill == "constant" and value != 0
    source = images - value if shifted else images
    out = grid_sample(source, grid, interpolation, _PADDING[fill], align_corners=False)
    if shifted:
        out += value
    # Four weights may sum to a hair above one.
    return out.clamp_(0, 1) if shifted or interpolation == "bilinear" else out
