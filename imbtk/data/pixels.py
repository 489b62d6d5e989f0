"""Arrays of images to uint8 pixels (N, C, H, W), by the policy of :mod:`imbtk.data.decode`."""

from __future__ import annotations

import numpy as np

from imbtk.data.decode import Resize, array_to_image, fit_to_size, image_to_array
from imbtk.data.store import Progress, common_size, on_all_cores
from imbtk.errors import DataError

__all__ = ["channels_first", "pixels_of", "resized"]


def pixels_of(values: np.ndarray, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 pixels of shape (N, C, H, W), C 1 or 3, and notes on what was done.

    Parameters
    ----------
    values : ndarray, shape (N, H, W), (N, H, W, C) or (N, C, H, W)
        uint8, booleans, integers in 0..255, uint16 (scaled from 0..65535) or floats in 0..1.
    what : str
        For messages.

    Raises
    ------
    DataError
        If the shape or the values cannot be those of images.
    """
    images = channels_first(values, what)
    pixels, notes = _to_bytes(images, what)
    if pixels.shape[1] == 4:
        alpha = pixels[:, 3:].astype(np.uint16)
        if alpha.min() < 255:
            notes = (*notes, "Transparent pixels were laid on white.")
        mixed = pixels[:, :3].astype(np.uint16) * alpha + 255 * (255 - alpha)
        pixels = ((mixed + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(pixels), notes


def channels_first(values: np.ndarray, what: str) -> np.ndarray:
    """Return images as (N, C, H, W), C 1, 3 or 4; which axis holds the channels is told from its length.

    Raises
    ------
    DataError
        If neither or both could.
    """
    if 0 in values.shape:
        raise DataError(f"{what} has the shape {values.shape}: images without a pixel.")
    if values.ndim == 3:
        return values[:, None]
    first, last = values.shape[1] in (1, 3, 4), values.shape[3] in (1, 3, 4)
    if first and last:
        raise DataError(
            f"{what} has the shape {values.shape}, in which the second axis could be the channels and the last "
            "one too. Images this small need one channel and the shape (N, H, W)."
        )
    if not first and not last:
        raise DataError(
            f"{what} has the shape {values.shape}. Images need 1, 3 or 4 channels, as (N, C, H, W) or (N, H, W, C)."
        )
    return values if first else np.moveaxis(values, 3, 1)


def _to_bytes(images: np.ndarray, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if images.dtype == np.uint8:
        return images, ()
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * 255, ()
    if images.dtype.kind not in "iuf":
        raise DataError(f"{what} holds {images.dtype} values, which are no pixels. Give uint8, or floats in 0..1.")
    low, high = images.min(), images.max()
    if images.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise DataError(
                f"{what} holds pixels that are NaN or infinite, in {_not_finite(images)} of {len(images)} images. "
                "Correct these images or take them out."
            )
        if not (low >= 0 and high <= 1):
            raise DataError(
                f"{what} holds floating-point pixels from {low:g} to {high:g}, where 0 to 1 is expected. Divide by "
                "their largest possible value (255, say), or give uint8. Do not standardise: imbtk does."
            )
        return _scaled(images, 255.0), ("Pixels were floats in 0..1 and became whole numbers in 0..255.",)
    if images.dtype == np.uint16:
        return _scaled(images, 1 / 257), ("Pixels had 16 bits and were scaled from 0..65535 to 0..255.",)
    if low < 0 or high > 255:
        raise DataError(
            f"{what} holds {images.dtype} pixels from {low} to {high}, where 0 to 255 is expected. Scale them to "
            "uint8; 16-bit images are taken as uint16."
        )
    return images.astype(np.uint8), ()


def _not_finite(images: np.ndarray) -> int:
    """Return how many images hold a value that is not finite."""
    return int((~np.isfinite(images.reshape(len(images), -1))).any(axis=1).sum())


def _scaled(images: np.ndarray, factor: float) -> np.ndarray:
    """Return ``rint(images * factor)`` as uint8, a slice at a time: no large floating-point copy."""
    pixels = np.empty(images.shape, dtype=np.uint8)
    for start in range(0, len(images), 1024):
        pixels[start : start + 1024] = np.rint(images[start : start + 1024].astype(np.float64) * factor)
    return pixels


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
