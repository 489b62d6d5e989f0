"""Weights from a file, fitted to a network whose input channels or head differ from those they were trained with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from imbtk.errors import DataError

__all__ = [
    "adapt_channels",
    "fill_backbone",
    "first_convolution",
    "load_state",
    "read_weights",
    "state_differences",
]


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a ``.safetensors`` file or of a PyTorch state dict.

    A state dict may lie inside ``{"state_dict": …}`` or ``{"model": …}``, and its names may begin with ``module.``
    (data-parallel training) or ``backbone.`` (a model saved by imbtk, whose head is left out).

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    DataError
        If the file does not exist, cannot be read, or holds no tensors by name.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"the file of weights '{path}' does not exist. Give --weights the path of a state dict.")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    tensors = {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise DataError(f"'{path}' holds no tensors by name: --weights takes a state dict (.pth or .safetensors).")
    if any(name.startswith("backbone.") for name in tensors):
        prefix = "backbone."
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return tensors


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"'{path}' cannot be read as safetensors: {error}.") from None
    return tensors


def _read_pickle(path: Path) -> Mapping[str, Any]:
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        # PyTorch advises to load such a file with its code: what it says of the reason stops before that.
        reason = str(error).split("\n")[0].split(". ")[0]
        raise DataError(
            f"'{path}' cannot be read as a PyTorch state dict of plain tensors ({reason}). Save it anew with "
            "torch.save(model.state_dict(), FILE)."
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise DataError(f"'{path}' holds a {type(state).__name__}, not a state dict: tensors by name.")
    return state


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return name and module of the convolution that sees the image.

    Raises
    ------
    ValueError
        If the network has no convolution.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise ValueError(f"{type(network).__name__} has no convolution")


def adapt_channels(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """Return the weight of a first convolution for another number of input channels.

    Parameters
    ----------
    weight : Tensor of shape (out, in, h, w)
    channels : int
        Channels of the images, at least 1.

    Returns
    -------
    Tensor of shape (out, channels, h, w)
        For one channel the sum over the input channels: a grey image gives what its copy in every channel would. For
        others, the input channels in turn, scaled by their count over `channels`, so that maps keep their size.
    """
    given = weight.shape[1]
    if given == channels:
        return weight
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    return weight[:, torch.arange(channels) % given] * (given / channels)


def fill_backbone(network: nn.Module, state: Mapping[str, torch.Tensor], what: str, where: str) -> None:
    """Put tensors into a network, all of its own or none.

    Parameters
    ----------
    network : Module
        Changed in place.
    state : mapping of str to Tensor
        Names that the network does not have (those of the classifier that was taken off) are left out.
    what, where : str
        The model and the file, for the error.

    Raises
    ------
    DataError
        If a tensor of the network is missing, or has another shape.
    """
    own = network.state_dict()
    found = {name: state.get(name, value) for name, value in own.items() if name in state or _is_counter(name)}
    if differences := state_differences(own, found):
        raise DataError(f"the weights in '{where}' are not those of '{what}': {differences}.")
    load_state(network, found)


def _is_counter(name: str) -> bool:
    # Batch norm's count of batches: older files have none, and nothing depends on it.
    return name.endswith("num_batches_tracked")


def state_differences(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> str:
    """Return in words how tensors differ in names and shapes from those that a network has; empty if they do not.

    Parameters
    ----------
    own, state : mapping of str to Tensor
        Of the network, and of the file.
    """
    parts = []
    if missing := [name for name in own if name not in state]:
        parts.append(f"{len(missing)} of {len(own)} tensors are missing, '{missing[0]}' first")
    if other := [name for name in own if name in state and own[name].shape != state[name].shape]:
        shapes = f"{tuple(state[other[0]].shape)} instead of {tuple(own[other[0]].shape)}"
        parts.append(f"'{other[0]}' has shape {shapes}")
    if extra := [name for name in state if name not in own]:
        parts.append(f"{len(extra)} tensors are too many, '{extra[0]}' first")
    return " and ".join(parts)


def load_state(network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put copies of tensors into a network that has exactly these, each with its own dtype."""
    own = network.state_dict()
    copies = type(own)((name, value.clone()) for name, value in state.items())
    # Some modules read their version from here, and refuse tensors that do not state one.
    copies._metadata = own._metadata  # type: ignore[attr-defined]
    network.load_state_dict(copies, assign=True)
