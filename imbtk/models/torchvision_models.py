"""Every classifier of ``torchvision.models``, by name, for any number of input channels.

torchvision is imported when a function here is called, not before.
"""

from __future__ import annotations

import functools
import http.client
import pickle
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from imbtk.errors import DataError
from imbtk.models.spec import ModelSpec
from imbtk.models.weights import adapt_channels, fill_backbone, first_convolution, read_weights

__all__ = ["TorchvisionBackbone", "torchvision_names", "torchvision_spec"]


@functools.cache
def torchvision_names() -> tuple[str, ...]:
    """Return the names of torchvision's image classifiers, sorted."""
    from torchvision import models

    return tuple(models.list_models(module=models))


class TorchvisionBackbone(nn.Module):
    """A classifier of torchvision without its last linear layer: (B, C, H, W) -> (B, D).

    Parameters
    ----------
    name : str
        As in ``torchvision.models``.
    sample_shape : sequence of int
        (C, H, W). The first convolution is made for C channels.

    Raises
    ------
    DataError
        If the network does not take images of this size.
    """

    def __init__(self, name: str, sample_shape: Sequence[int]) -> None:
        super().__init__()
        shape = tuple(int(n) for n in sample_shape)
        self.arguments: dict[str, Any] = {"name": name, "sample_shape": list(shape)}
        _check_size(name, shape)
        self.network = _without_classifier(_construct(name, shape))
        _set_channels(self.network, shape[0])
        self.last_block = _last_block(self.network)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (B, D) for images (B, C, H, W)."""
        features: torch.Tensor = self.network(images)
        return features


def _last_block(network: nn.Module) -> str:
    """Return the name of the last block with weights, whose output each row's features are made of alone."""
    for stage in _STAGES:
        if isinstance(getattr(network, stage, None), nn.Module):
            return f"network.{stage}"
    for row in _ROWS_OF_BLOCKS:
        try:
            blocks = network.get_submodule(row)
        except AttributeError:
            continue
        # Pools, norms and activations that come after it have nothing to tell experts apart by.
        weighty = [name for name, block in blocks.named_children() if _has_weights(block)]
        return f"network.{row}.{weighty[-1]}"
    return ""


_STAGES = ("layer4", "conv5", "inception5b", "Mixed_7c")  # ResNet, ShuffleNet, GoogLeNet, Inception
_ROWS_OF_BLOCKS = (
    "features",
    "layers",
    "encoder.layers",
    "trunk_output",
    "blocks",
)  # most; MNASNet, ViT, RegNet, MaxVit


def _has_weights(block: nn.Module) -> bool:
    return any(isinstance(module, (nn.Conv2d, nn.Linear)) for module in block.modules())


def _default_weights(name: str) -> Any:
    from torchvision import models

    return models.get_model_weights(name).DEFAULT


def _patch_size(name: str) -> int:
    """Return the side of a patch of a vision transformer: 16 for ``vit_b_16``."""
    return int(name.rsplit("_", 1)[1])


def _check_size(name: str, shape: tuple[int, ...]) -> None:
    """Refuse images that the network cannot take, naming the size that it can."""
    if len(shape) != 3:
        raise DataError(
            f"model '{name}' takes images of shape (channels, height, width), not samples of shape {shape}. "
            "For tables there are mlp and linear."
        )
    _, height, width = shape
    size = f"{height}x{width}"
    if name.startswith("vit_"):
        patch = _patch_size(name)
        if height != width or height % patch:
            raise DataError(
                f"model '{name}' cuts square images into patches of {patch}x{patch}, these are {size}. "
                f"Set --image-size to a multiple of {patch}."
            )
    elif name.startswith("maxvit"):
        if height % 224 or width % 224:
            raise DataError(
                f"model '{name}' takes images whose sides are multiples of 224, these are {size}. Set --image-size 224."
            )
    elif min(height, width) < (least := _smallest_side(name)):
        raise DataError(
            f"model '{name}' takes images from {least}x{least} up, these are {size}. Set --image-size {least} or more."
        )


def _smallest_side(name: str) -> int:
    # What torchvision states for these is the size that they were trained with, not the least that they can take.
    if name.startswith("swin_"):
        return 4
    if name.startswith("efficientnet_v2"):
        return 1
    return int(min(_default_weights(name).meta["min_size"]))


def _construct(name: str, shape: tuple[int, ...]) -> nn.Module:
    from torchvision import models

    arguments: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        # Auxiliary classifiers would give several outputs in training; the pipeline has one head and one loss.
        arguments = {"aux_logits": False, "init_weights": True, "transform_input": False}
    elif name.startswith("vit_"):
        arguments = {"image_size": shape[1]}
    elif name.startswith("maxvit"):
        arguments = {"input_size": shape[1:]}
    network: nn.Module = models.get_model(name, weights=None, **arguments)
    return network


def _without_classifier(network: nn.Module) -> nn.Module:
    """Put an identity in the place of the layer that gives a score per class."""
    if type(network).__name__ == "SqueezeNet":
        # Its classifier is dropout, a 1x1 convolution per class, ReLU and the average; only the convolution goes.
        network.get_submodule("classifier")._modules["1"] = nn.Identity()
        return network
    name = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    _replace(network, name, nn.Identity())
    return network


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    network.get_submodule(parent)._modules[child] = module


def _set_channels(network: nn.Module, channels: int) -> None:
    """Give the first convolution another number of input channels, its weights drawn as the layer draws them."""
    name, old = first_convolution(network)
    if old.in_channels == channels:
        return
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        old.dilation,  # type: ignore[arg-type]
        bias=old.bias is not None,
        padding_mode=old.padding_mode,
    )
    with torch.no_grad():
        # Its weights carry the family's initialisation; the sum of three suits a third of the inputs.
        new.weight.copy_(adapt_channels(old.weight, channels))
        if old.bias is not None and new.bias is not None:
            new.bias.copy_(old.bias)
    _replace(network, name, new)


def torchvision_spec(name: str, channels: int, pretrained: bool = False, weights_file: str | None = None) -> ModelSpec:
    """Return the ModelSpec of a classifier of torchvision.

    Parameters
    ----------
    name : str
        One of :func:`torchvision_names`.
    channels : int
        Of the images; decides how many means and deviations the pretrained normalisation has.
    pretrained : bool
        Start from torchvision's default weights, from its cache or the network.
    weights_file : str, optional
        Start from a local file instead; the normalisation and size are those of torchvision's weights.

    Returns
    -------
    ModelSpec
        With the weights' own mean, deviation and image size if there are weights.

    Notes
    -----
    Inception and GoogLeNet rescale their input inside torchvision's pretrained networks. The same is done here by mean
    and deviation 0.5, which works for any number of channels.
    """
    from_scratch = not pretrained and weights_file is None

    def build(sample_shape: tuple[int, ...]) -> nn.Module:
        if not from_scratch:
            _check_pretrained_size(name, tuple(sample_shape))
        backbone = TorchvisionBackbone(name, sample_shape)
        if not from_scratch:
            state = _fetch(name) if weights_file is None else read_weights(weights_file)
            where = _default_weights(name).url if weights_file is None else str(weights_file)
            _fill(backbone, state, where)
        return backbone

    summary = f"torchvision's {name}" + ("." if from_scratch else ", pretrained.")
    if from_scratch:
        return ModelSpec(name, build, "images", summary)
    transforms = _default_weights(name).transforms()
    mean, std = list(transforms.mean), list(transforms.std)
    if name in ("googlenet", "inception_v3"):
        mean, std = [0.5] * 3, [0.5] * 3
    return ModelSpec(
        name,
        build,
        "images",
        summary,
        mean=_per_channel(mean, channels),
        std=_per_channel(std, channels),
        image_size=int(transforms.crop_size[0]),
        lr=1e-4,
    )


def _per_channel(values: list[float], channels: int) -> tuple[float, ...]:
    """Return one number per channel: the mean of three for grey images, else the given ones in turn."""
    if channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[i % len(values)] for i in range(channels))


def _check_pretrained_size(name: str, shape: tuple[int, ...]) -> None:
    if not name.startswith(("vit_", "maxvit")):
        return
    side = int(_default_weights(name).transforms().crop_size[0])
    if shape[1:] != (side, side):
        raise DataError(
            f"model '{name}' with pretrained weights takes images of exactly {side}x{side}, these are "
            f"{'x'.join(map(str, shape[1:]))}. Set --image-size {side}."
        )


def _fetch(name: str) -> Mapping[str, torch.Tensor]:
    """Return torchvision's default weights from its cache or the network."""
    weights = _default_weights(name)
    file = Path(weights.url).name
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    patience = socket.getdefaulttimeout()
    # torch's downloader waits for ever where a firewall swallows what it sends.
    socket.setdefaulttimeout(30.0)
    try:
        state: Mapping[str, torch.Tensor] = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, http.client.HTTPException) as error:
        raise DataError(
            f"the pretrained weights of '{name}' are not on this machine and cannot be fetched ({error}). Put the file "
            f"'{file}' from {weights.url} into {folder}, or give it with --weights FILE."
        ) from None
    finally:
        socket.setdefaulttimeout(patience)
    return state


def _fill(backbone: TorchvisionBackbone, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Put weights under torchvision's names into a backbone that may have other input channels."""
    name = backbone.arguments["name"]
    # Files of DenseNet are older than its present names; a model saved by imbtk has "network." before them.
    renamed = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key.removeprefix("network.")): value
        for key, value in state.items()
    }
    first, convolution = first_convolution(backbone.network)
    key = f"{first}.weight"
    if key in renamed and renamed[key].ndim == 4 and renamed[key].shape[1] == 3:
        renamed[key] = adapt_channels(renamed[key], convolution.in_channels)
    fill_backbone(backbone.network, renamed, name, where)
