"""Arrays of images to uint8 pixels (N, C, H, W), by the policy of :mod:`imbtk.data.decode`."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

from imbtk.data.decode import Resize, array_to_image, fit_to_size, image_to_array, remark_sentences, scale_to_bytes
from imbtk.data.store import Progress, common_size, on_all_cores
from imbtk.errors import DataError

__all__ = ["channels_first", "pixels_of", "resized"]

Images = TypeVar("Images", np.ndarray, torch.Tensor)

_RESCALE = ". Divide by their largest possible value (255, say), or give uint8. Do not standardise: imbtk does."


def pixels_of(values: np.ndarray, what: str, *, any_channels: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 pixels of shape (N, C, H, W), C 1 or 3, that may be written to, and notes on what was done.

    Parameters
    ----------
    values : ndarray, shape (N, H, W), (N, H, W, C) or (N, C, H, W)
        uint8, booleans, integers in 0..255, uint16 (scaled from 0..65535) or floats in 0..1.
    what : str
        For messages.
    any_channels : bool
        Keep all channels, however many: for networks that are not ours.

    Raises
    ------
    DataError
        If the shape or the values cannot be those of images.
    """
    images = channels_first(values, what, any_channels=any_channels)
    pixels, remark = _to_bytes(images, what)
    remarks = {remark: len(pixels)}
    if pixels.shape[1] == 4 and not any_channels:
        alpha = pixels[:, 3:].astype(np.uint16)
        remarks["transparency"] = int((alpha < 255).any(axis=(1, 2, 3)).sum())
        mixed = pixels[:, :3].astype(np.uint16) * alpha + 255 * (255 - alpha)
        pixels = ((mixed + 127) // 255).astype(np.uint8)
    # torch shares this memory, and warns of memory that is read-only.
    return np.require(pixels, requirements=("C", "W")), remark_sentences(remarks, len(pixels))


def channels_first(values: Images, what: str, *, any_channels: bool = False) -> Images:
    """Return images as (N, C, H, W), C 1, 3 or 4; which axis holds the channels is told from its length.

    Parameters
    ----------
    values : ndarray or Tensor, shape (N, H, W), (N, H, W, C) or (N, C, H, W)
    what : str
        For messages.
    any_channels : bool
        Leave images as they are where neither axis or both could be the channels.

    Raises
    ------
    DataError
        If there is no pixel, or it cannot be told.
    """
    if 0 in values.shape:
        raise DataError(f"{what} has the shape {tuple(values.shape)}: images without a pixel.")
    if values.ndim == 3:
        return values[:, None]
    first, last = values.shape[1] in (1, 3, 4), values.shape[3] in (1, 3, 4)
    if first and last and not any_channels:
        raise DataError(
            f"{what} has the shape {values.shape}, in which the second axis could be the channels and the last "
            "one too. Images this small need one channel and the shape (N, H, W)."
        )
    if not (first or last or any_channels):
        raise DataError(
            f"{what} has the shape {values.shape}. Images need 1, 3 or 4 channels, as (N, C, H, W) or (N, H, W, C)."
        )
    return values if first or not last else values.swapaxes(2, 3).swapaxes(1, 2)


def _to_bytes(images: np.ndarray, what: str) -> tuple[np.ndarray, str]:
    """Return uint8 pixels, and the remark of :mod:`imbtk.data.decode` on what was lost; empty if nothing was."""
    if images.dtype == np.uint8:
        return images, ""
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * 255, ""
    if images.dtype.kind not in "iuf":
        raise DataError(f"{what} holds {images.dtype} values, which are no pixels. Give uint8, or floats in 0..1.")
    if images.dtype.kind == "f" or images.dtype == np.uint16:
        try:
            return scale_to_bytes(images)
        except ValueError as error:
            broken = int((~np.isfinite(images.reshape(len(images), -1))).any(axis=1).sum())
            told = f", in {broken} of {len(images)} images. Correct these images or take them out."
            raise DataError(f"{what} holds {error}{told if broken else _RESCALE}") from None
    low, high = images.min(), images.max()
    if low < 0 or high > 255:
        raise DataError(
            f"{what} holds {images.dtype} pixels from {low} to {high}, where 0 to 255 is expected. Scale them to "
            "uint8; 16-bit images are taken as uint16."
        )
    return images.astype(np.uint8), ""


def resized(pixels: np.ndarray, size: int | None, resize: Resize, progress: Progress | None) -> np.ndarray:
    """Return square images (N, C, S, S) of the size asked for, else of :func:`imbtk.data.store.common_size`."""
    height, width = pixels.shape[2:]
    side = size or common_size([max(height, width)])
    if (height, width) == (side, side):
        return pixels
    result = np.empty((*pixels.shape[:2], side, side), dtype=np.uint8)

    def work(row: int) -> None:
        result[row] = image_to_array(fit_to_size(array_to_image(pixels[row]), side, resize))

    on_all_cores(work, len(pixels), progress, "resizing images")
    return result
