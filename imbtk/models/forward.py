"""One forward pass for all that predicts: validation, a run's logits, a saved model, the estimator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import torch
from torch import nn

from imbtk.models.network import Network

__all__ = ["forward"]


@torch.no_grad()
def forward(
    network: nn.Module,
    inputs: Iterable[torch.Tensor],
    *,
    features: bool = False,
    half: bool = False,
) -> torch.Tensor:
    """Return logits (n, K), or features (n, D), of batches of inputs, in eval mode, on the CPU.

    Parameters
    ----------
    network : Module
        A :class:`imbtk.models.network.Network` if `features` are wanted.
    inputs : iterable of Tensor
        Normalised, on the network's device.
    features : bool
    half : bool
        At bf16. Its results hang on how rows are put into batches, by 1 % and more: a prediction is made at full
        precision, whatever was trained with.
    """
    network.eval()
    parts = []
    for x in inputs:
        with torch.autocast(x.device.type, torch.bfloat16) if half else contextlib.nullcontext():
            out = network.features(x) if features and isinstance(network, Network) else network(x)
        parts.append((out.float() if half else out).cpu())
    return torch.cat(parts)
