"""Where a box lies."""

from __future__ import annotations

import torch

from imbtk import Draw

__all__ = ["boxes"]


def boxes(height: int, width: int, draw: Draw, beta: float) -> torch.Tensor:
    """Return where a box of CutMix lies in each image, bool (B, height, width), on the draw's device."""
    side = (1.0 - draw.beta(beta, beta)).sqrt()
    inside = []
    for pixels in (height, width):
        half = (pixels * side).long() // 2
        place, centre = torch.arange(pixels, device=half.device), draw.integers(pixels)
        inside.append((place >= centre - half) & (place < centre + half))
    return inside[0][:, :, None] & inside[1][:, None, :]
