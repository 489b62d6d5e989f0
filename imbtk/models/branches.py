"""Several experts, or branches, on one trunk: the last block of a backbone copied, and a head for each."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["Branches", "ExpertHead", "branch_backbone"]


class Branches(nn.Module):
    """Copies of a block side by side: (B, ...) -> (E·B, ...), copy after copy.

    What comes after it in a backbone looks at each row by itself (pooling, flattening) and so need not know.

    Parameters
    ----------
    block : Module
        It leaves what it is given as it is, which the other copies are given too.
    count : int
        E.
    """

    def __init__(self, block: nn.Module, count: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(block) for _ in range(count))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return what each copy makes of the same input."""
        return torch.cat([block(samples) for block in self.copies])


class ExpertHead(nn.Module):
    """A head for each expert: features (B, D), or (B, E·D) of a branched backbone -> (E, B, K).

    Parameters
    ----------
    heads : sequence of Module
        Each (B, D) -> (B, K).
    parted : bool
        Whether each expert has D features of its own.
    """

    def __init__(self, heads: Sequence[nn.Module], parted: bool) -> None:
        super().__init__()
        self.heads, self.parted = nn.ModuleList(heads), parted

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits of each expert, (E, B, K)."""
        count = len(self.heads)
        own = features.chunk(count, dim=1) if self.parted else [features] * count
        return torch.stack([head(part) for head, part in zip(self.heads, own, strict=True)])


def branch_backbone(backbone: nn.Module, count: int) -> bool:
    """Copy the last block of a backbone, in place, if it names one; return whether it does.

    A backbone names it by an attribute ``last_block``, a name as ``get_submodule`` takes it. What follows the block in
    the same ``Sequential`` is copied with it: batch norm there would else count the rows of all copies as one batch.
    """
    name = getattr(backbone, "last_block", "")
    if not name or not isinstance(name, str):
        return False
    above, _, own = name.rpartition(".")
    parent, block = backbone.get_submodule(above), backbone.get_submodule(name)
    if type(parent) is nn.Sequential:
        names = list(parent._modules)
        if after := names[names.index(own) + 1 :]:
            block = nn.Sequential(block, *(parent.get_submodule(later) for later in after))
            for later in after:
                delattr(parent, later)
    setattr(parent, own, Branches(block, count))
    return True
