"""One image file to pixels, by one policy.

=====================  ================================================================================
what a file holds      what comes of it
=====================  ================================================================================
EXIF orientation       applied
grey, 1 bit            one channel, 0 to 255
16-bit grey            scaled from 0..65535 to 0..255 and rounded, never cut off at 255
16-bit colour          the upper eight bits (that is how Pillow reads it)
32-bit integers        as 16-bit if all lie in 0..65535, refused otherwise
floating point         scaled from 0..1 to 0..255 and rounded, refused if anything lies outside
palette                its colours
transparency           laid on white
CMYK, YCbCr, LAB, HSV  converted to RGB without a colour profile
several frames         the first one
=====================  ================================================================================

Images are made smaller and larger by Pillow's bilinear filter with antialiasing, which never overshoots: no pixel is
clipped. Whatever loses something leaves a remark, which ends up in the notes of the data set.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from imbtk.errors import DataError

__all__ = [
    "POLICY_VERSION",
    "Resize",
    "UnreadableImageError",
    "array_to_image",
    "decode_image",
    "fit_to_size",
    "image_to_array",
    "probe",
    "read_image",
    "reason_of",
    "remark_sentences",
    "with_channels",
]

POLICY_VERSION = 1
"""Goes up when the same file gives other pixels: stores of other versions are not used."""

Resize = Literal["pad", "stretch", "crop"]

_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on files that are broken."""


class UnreadableImageError(Exception):
    """A file that cannot be read as an image; the text is the reason in a few words."""


_REMARKS = {
    "16-bit": "16 bits a channel, scaled to 8",
    "float": "floating-point pixels, scaled from 0..1",
    "transparency": "transparent pixels, laid on white",
    "cmyk": "CMYK colours, converted to RGB without a colour profile",
    "frames": "several frames, of which the first is used",
}


def remark_sentences(counts: Mapping[str, int], total: int) -> tuple[str, ...]:
    """Return one sentence for each remark that the decoder made: ``"3 of 80 images have transparent pixels, …"``."""
    return tuple(
        f"{counts[key]} of {total} images {'has' if counts[key] == 1 else 'have'} {text}."
        for key, text in _REMARKS.items()
        if counts.get(key)
    )


def reason_of(error: BaseException) -> str:
    """Return what an error says, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "no image format that can be read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def probe(file: str | Path) -> tuple[int, bool]:
    """Return the longer side in pixels, and whether the image is grey, from the file's header alone.

    Raises
    ------
    UnreadableImageError
    """
    try:
        with Image.open(file) as image:
            return max(image.size), _is_grey(image.mode)
    except _DECODER_ERRORS as error:
        raise UnreadableImageError(reason_of(error)) from None


def _is_grey(mode: str) -> bool:
    return mode in ("1", "L", "LA", "La", "F") or mode.startswith("I")


def read_image(file: str | Path | BinaryIO) -> tuple[Image.Image, frozenset[str]]:
    """Return an image of mode ``L`` or ``RGB`` in its own size, and remarks on what was lost.

    Raises
    ------
    UnreadableImageError
        If the file is broken, empty, or its values have no meaning as pixels.
    """
    try:
        if isinstance(file, (str, Path)) and Path(file).stat().st_size == 0:
            raise UnreadableImageError("the file is empty")
        with Image.open(file) as opened:
            remarks = {"frames"} if getattr(opened, "n_frames", 1) > 1 else set()
            opened.load()
            # In place, and converted only where need be: a copy is a quarter of the work, and holds up other threads.
            ImageOps.exif_transpose(opened, in_place=True)
            image, more = _to_eight_bits(opened)
    except _DECODER_ERRORS as error:
        raise UnreadableImageError(reason_of(error)) from None
    return image, frozenset(remarks | more)


def _to_eight_bits(image: Image.Image) -> tuple[Image.Image, set[str]]:
    if image.mode.startswith("I") or image.mode == "F":
        pixels, remark = scale_to_bytes(np.asarray(image))
        return Image.fromarray(pixels), {remark}
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        return _on_white(image)
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode), {"cmyk"} if image.mode == "CMYK" else set()


def _on_white(image: Image.Image) -> tuple[Image.Image, set[str]]:
    grey = _is_grey(image.mode)
    layers = image.convert("LA" if grey else "RGBA")
    alpha = layers.getchannel("A")
    lowest = alpha.getextrema()[0]
    colours = layers.convert("L" if grey else "RGB")
    if lowest == 255:
        return colours, set()
    white = Image.new(colours.mode, colours.size, "white")
    return Image.composite(colours, white, alpha), {"transparency"}


def scale_to_bytes(values: np.ndarray) -> tuple[np.ndarray, str]:
    """Return uint8 pixels and a remark for integers in 0..65535 or floats in 0..1.

    Raises
    ------
    ValueError
        If anything lies outside.
    """
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise ValueError("pixels that are NaN or infinite")
        if not (low >= 0 and high <= 1):
            raise ValueError(f"floating-point pixels from {low:g} to {high:g}, where 0 to 1 is expected")
        return _scaled(values, 255.0), "float"
    if low < 0 or high > 65535:
        raise ValueError(f"integer pixels from {low} to {high}, where 0 to 65535 is expected")
    return _scaled(values, 1 / 257), "16-bit"


def _scaled(values: np.ndarray, factor: float) -> np.ndarray:
    """Return ``rint(values * factor)`` as uint8, a slice at a time: no large floating-point copy."""
    pixels = np.empty(values.shape, dtype=np.uint8)
    for start in range(0, len(values), 1024):
        pixels[start : start + 1024] = np.rint(values[start : start + 1024].astype(np.float64) * factor)
    return pixels


def with_channels(image: Image.Image, channels: int) -> Image.Image:
    """Return the image with 1 or 3 channels."""
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def fit_to_size(image: Image.Image, size: int, resize: Resize) -> Image.Image:
    """Return a square image of `size` pixels.

    Parameters
    ----------
    image : Image
        Mode ``L`` or ``RGB``.
    size : int
    resize : "pad", "stretch" or "crop"
        The longer side fitted and the rest black; each side fitted by itself; the shorter side fitted and the middle
        cut out.
    """
    width, height = image.size
    if (width, height) == (size, size):
        return image
    if resize == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    fitted = max(width, height) if resize == "pad" else min(width, height)
    new_width, new_height = (max(1, round(side * size / fitted)) for side in (width, height))
    scaled = image.resize((new_width, new_height), Image.Resampling.BILINEAR)
    left, top = (size - new_width) // 2, (size - new_height) // 2
    square = Image.new(image.mode, (size, size))
    square.paste(scaled, (left, top))
    return square


def image_to_array(image: Image.Image) -> np.ndarray:
    """Return pixels of shape (C, H, W), uint8."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def array_to_image(pixels: np.ndarray) -> Image.Image:
    """Return an image of mode ``L`` or ``RGB`` for uint8 pixels of shape (C, H, W), C 1 or 3."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))


def decode_image(
    file: str | Path | BinaryIO, size: int | None, resize: Resize = "pad", channels: int = 3
) -> np.ndarray:
    """Return the pixels of one file, uint8, shape (channels, size, size), by the policy of this module.

    Parameters
    ----------
    file : str, Path or binary file
    size : int, optional
        None leaves the image as large as it is.
    resize : "pad", "stretch" or "crop"
    channels : 1 or 3

    Raises
    ------
    DataError
        If the file cannot be read, with its name and the reason.
    """
    try:
        image, _ = read_image(file)
    except UnreadableImageError as error:
        name = file if isinstance(file, (str, Path)) else getattr(file, "name", "the image")
        raise DataError(f"{name} cannot be read as an image: {error}.") from None
    image = with_channels(image, channels)
    return image_to_array(image if size is None else fit_to_size(image, size, resize))
