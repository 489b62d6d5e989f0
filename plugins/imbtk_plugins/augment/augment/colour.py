"""Colour, stain and erasing on whole image batches, with factors of its own for every sample."""

from __future__ import annotations

from functools import lru_cache

import torch

__all__ = ["adjust_colour", "erase", "jitter_stain", "shift_hue"]

_LUMA = (0.299, 0.587, 0.114)

_STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""Optical density of haematoxylin, eosin and DAB in red, green and blue (Ruifrok & Johnston 2001)."""

_DARKEST = 1e-6


def _per_image(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def _grey(images: torch.Tensor) -> torch.Tensor:
    """Return the luma of colour images (ITU-R BT.601), and grey images as they are, (B, 1, H, W)."""
    if images.shape[1] != 3:
        return images
    red, green, blue = images.unbind(1)
    return (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])[:, None]


def adjust_colour(
    images: torch.Tensor,
    brightness: torch.Tensor,
    contrast: torch.Tensor,
    saturation: torch.Tensor,
) -> torch.Tensor:
    """Return the images with their brightness, then contrast, then saturation multiplied.

    Parameters
    ----------
    images : Tensor of float, shape (B, C, H, W), values in [0, 1]
        C is 1 or 3; grey images have no saturation to change.
    brightness, contrast, saturation : Tensor of float, shape (B,)
        Factors, 1 for no change: of the values, of the distance to the image's mean luma, of the distance to each
        pixel's luma.

    Returns
    -------
    Tensor of float, shape (B, C, H, W), values in [0, 1]
        A new tensor.

    Notes
    -----
    The three are linear, so they become one: ``b c s · x + b c (1 − s) · luma(x) + b (1 − c) · mean luma``. Values are
    cut to [0, 1] once, at the end.
    """
    luma = _grey(images)
    level = luma.mean(dim=(1, 2, 3)).mul_(brightness * (1 - contrast))
    both = brightness * contrast
    if images.shape[1] != 3:
        return torch.addcmul(_per_image(level), images, _per_image(both)).clamp_(0, 1)
    common = torch.addcmul(_per_image(level), luma, _per_image(both * (1 - saturation)))
    return torch.addcmul(common, images, _per_image(both * saturation)).clamp_(0, 1)


def shift_hue(images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return colour images with their hue moved round the circle, value and saturation (HSV) kept.

    Parameters
    ----------
    images : Tensor of float, shape (B, 3, H, W), values in [0, 1]
    shift : Tensor of float, shape (B,)
        Fraction of the circle, -0.5 to 0.5.

    Returns
    -------
    Tensor of float, shape (B, 3, H, W), values in [0, 1]
        A new tensor.
    """
    red, green, blue = images.unbind(1)
    value, chroma = images.amax(1), images.amax(1) - images.amin(1)
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    # Sixths of the circle, from red at 0 over green at 2 to blue at 4.
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = hue + shift[:, None, None] * 6
    place = hue[:, None] + hue.new_tensor([5.0, 3.0, 1.0])[:, None, None]
    place = place.remainder_(6)
    part = torch.minimum(place, 4 - place).clamp_(0, 1)
    return torch.addcmul(value[:, None], chroma[:, None], part, value=-1).clamp_(0, 1)


def jitter_stain(images: torch.Tensor, factor: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Return colour images with the amount of each stain multiplied and raised.

    Parameters
    ----------
    images : Tensor of float, shape (B, 3, H, W), values in [0, 1]
    factor, offset : Tensor of float, shape (B, 3)
        For haematoxylin, eosin and the residual (DAB): ``factor · amount + offset``; 1 and 0 for no change. Strengths
        are optical densities to base e.

    Returns
    -------
    Tensor of float, shape (B, 3, H, W), values in [0, 1]
        A new tensor.

    Notes
    -----
    Optical density is ``−ln x``, amounts are ``density · M⁻¹`` with the rows of M one stain each; back again with the
    changed amounts. Both products and the factors make one 3×3 matrix and three offsets for each sample.
    """
    unmix, stains = _stain_matrices(images.device, images.dtype)
    factor, offset = factor.to(images.dtype), offset.to(images.dtype)
    # Sums of products, not matrix products: those lose digits under autocast and TF32.
    matrix = (unmix[:, :, None] * factor[:, None, :, None] * stains).sum(dim=2)
    density = images.clamp(min=_DARKEST).log_()
    changed = (offset[:, :, None] * stains).sum(dim=1).neg_()[:, :, None, None]
    for channel in range(3):
        changed = torch.addcmul(changed, density[:, channel : channel + 1], matrix[:, channel, :, None, None])
    return changed.exp_().clamp_(0, 1)


@lru_cache(maxsize=8)
def _stain_matrices(device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the map from optical density to amounts of stain, and the one back, each (3, 3)."""
    stains = torch.tensor(_STAINS, dtype=torch.float64)
    return torch.linalg.inv(stains).to(device, dtype), stains.to(device, dtype)


def erase(
    images: torch.Tensor,
    chosen: torch.Tensor,
    area: torch.Tensor,
    aspect: torch.Tensor,
    left: torch.Tensor,
    top: torch.Tensor,
) -> torch.Tensor:
    """Return the images, the chosen ones with a rectangle filled with the image's own mean colour.

    Parameters
    ----------
    images : Tensor of float, shape (B, C, H, W)
    chosen : Tensor of bool, shape (B,)
    area : Tensor of float, shape (B,)
        Area of the rectangle as a fraction of the image's.
    aspect : Tensor of float, shape (B,)
        Height over width of the rectangle, in pixels; cut where it would be larger than the image.
    left, top : Tensor of float, shape (B,)
        Place of the rectangle, 0 to 1, from the leftmost (topmost) that is inside the image to the rightmost.

    Returns
    -------
    Tensor of float, shape (B, C, H, W)
        A new tensor.
    """
    height, width = images.shape[2:]
    pixels = area * (height * width)
    tall = (pixels * aspect).sqrt().round().clamp(1, height)
    wide = (pixels / aspect).sqrt().round().clamp(1, width)
    rows = _within(top, tall, height) & chosen[:, None]
    columns = _within(left, wide, width)
    mask = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(mask, images.mean(dim=(2, 3), keepdim=True), images)


def _within(place: torch.Tensor, extent: torch.Tensor, length: int) -> torch.Tensor:
    """Return which of `length` pixels a stretch of `extent` pixels covers, (B, length) bool."""
    first = (place * (length - extent + 1)).floor().minimum(length - extent)[:, None]
    pixels = torch.arange(length, device=place.device)
    return (pixels >= first) & (pixels < first + extent[:, None])
