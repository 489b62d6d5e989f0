"""The classifier heads that core knows how to build, save and load."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["CosineHead", "LinearHead", "ScaledHead"]


class LinearHead(nn.Linear):
    """A linear classifier: (B, D) -> (B, K)."""


class CosineHead(nn.Module):
    """Cosine similarity to one weight vector per class, times a scale: (B, D) -> (B, K).

    Parameters
    ----------
    in_features, num_classes : int
    scale : float
        The factor on the cosine.

    References
    ----------
    Cao et al. 2019, "Learning imbalanced datasets with label-distribution-aware margin loss", section 4 (normalised
    features and weights).
    """

    def __init__(self, in_features: int, num_classes: int, scale: float = 30.0) -> None:
        super().__init__()
        self.in_features, self.out_features, self.scale = in_features, num_classes, scale
        self.weight = nn.Parameter(torch.empty(num_classes, in_features))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for features (B, D)."""
        return self.scale * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))


class ScaledHead(nn.Module):
    """A linear classifier with a learnable or fixed factor per class: (B, D) -> (B, K).

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 4.1 (τ-norm and
    LWS both rescale each class's weight vector).
    """

    def __init__(self, in_features: int, num_classes: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, num_classes
        self.linear = nn.Linear(in_features, num_classes, bias=bias)
        self.factor = nn.Parameter(torch.ones(num_classes))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for features (B, D)."""
        return F.linear(features, self.linear.weight * self.factor[:, None], self.linear.bias)
