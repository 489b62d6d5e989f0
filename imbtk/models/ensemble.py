"""Several networks that predict as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from imbtk.models.network import Network

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """The mean of the logits of several networks: (B, *sample_shape) -> (B, K).

    Logits rather than probabilities: their mean commutes with shifts of the class prior, and its own prior is the
    geometric mean of those of the networks.

    Parameters
    ----------
    members : sequence of Module
        Of one sample shape and number of classes.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image, (D,) of a table row."""
        return self._first.sample_shape

    @property
    def model_name(self) -> str:
        """The name of the first network."""
        return self._first.model_name

    @property
    def experts(self) -> str:
        """What the experts of the first network share, for people."""
        return self._first.experts if isinstance(self._first, Network) else ""

    @property
    def _first(self) -> Network:
        return self.members[0]  # type: ignore[return-value]

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for samples (B, *sample_shape)."""
        return torch.stack([member(samples) for member in self.members]).mean(0)
