"""Whom a sample is blended with."""

from __future__ import annotations

import torch

from imbtk import Draw

__all__ = ["blended", "shuffled"]


def shuffled(epoch: int, order: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Return partners (M,) for an order (M,): the same rows, in another order."""
    return order[torch.randperm(order.shape[0], generator=draw.generator())]


def blended(samples: torch.Tensor, others: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return samples (B, ...) with a `share` (B, 1) of the others in them."""
    return torch.lerp(samples, others, share.reshape(-1, *[1] * (samples.ndim - 1)))
