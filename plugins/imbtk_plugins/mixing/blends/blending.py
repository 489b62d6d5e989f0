"""How a sample is blended."""

from __future__ import annotations

import torch

__all__ = ["blended"]


def blended(samples: torch.Tensor, others: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return samples (B, ...) with a `share` (B, 1) of the others in them."""
    return torch.lerp(samples, others, share.reshape(-1, *[1] * (samples.ndim - 1)))
