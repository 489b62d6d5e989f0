"""Arithmetic that losses share."""

from __future__ import annotations

import torch

__all__ = ["at_least_float32", "effective_weights"]


def at_least_float32(logits: torch.Tensor) -> torch.Tensor:
    """Return logits in float32 where they are in half precision, in which exponentials and margins overflow."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def effective_weights(counts: torch.Tensor, beta: float) -> torch.Tensor:
    """Return one over the effective number of rows of each class, (K,) float64; 0 for a class without a row.

    Parameters
    ----------
    counts : Tensor of int64, shape (K,)
    beta : float
        In [0, 1): 0 gives equal weights, towards 1 they become 1 / n_c.

    Notes
    -----
    (1 - β) / (1 - β^n_c), computed as -(1 - β) / expm1(n_c · log1p(β - 1)), which stays exact for any n_c and β.

    References
    ----------
    Cui et al. 2019, "Class-balanced loss based on effective number of samples", Proposition 1.
    """
    log_beta = torch.log1p(torch.tensor(beta - 1.0, dtype=torch.float64))
    weights = (beta - 1.0) / torch.expm1(counts.double().clamp(min=1.0) * log_beta)
    return torch.where(counts > 0, weights, 0.0)
