"""The networks that come with imbtk, offered through the same hook as anybody's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from imbtk.authoring.hookspecs import hookimpl
from imbtk.errors import DataError
from imbtk.models.spec import ModelSpec

__all__ = ["MLP", "Flat", "ResNet32", "SmallCNN", "TableMLP", "imbtk_models"]


def _image_shape(name: str, sample_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return (C, H, W), or say why a network of images cannot take such samples."""
    if len(sample_shape) != 3:
        raise DataError(
            f"model '{name}' takes images of shape (channels, height, width), not samples of shape "
            f"{tuple(sample_shape)}. For tables there are mlp and linear."
        )
    channels, height, width = (int(n) for n in sample_shape)
    if min(height, width) < 8:
        raise DataError(
            f"model '{name}' takes images from 8x8 up, these are {height}x{width}. Enlarge them with --image-size 8 "
            "or more, or use mlp or linear."
        )
    return channels, height, width


def _convolution(channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class SmallCNN(nn.Module):
    """A plain convolutional network that trains in seconds on a CPU: (B, C, H, W) -> (B, D).

    Convolutions of stride two halve the image until at most 4x4 is left of its shorter side, then average and maximum
    of each channel are the features. Images of 32 and more are halved by the first convolution already, since most of
    the time goes into the largest maps.

    Parameters
    ----------
    sample_shape : sequence of int
        (C, H, W), H and W at least 8.
    width : int
        Channels of the first map; each halving doubles them, up to four times as many.

    Raises
    ------
    DataError
        If the samples are no images, or smaller than 8x8.
    """

    def __init__(self, sample_shape: Sequence[int], width: int = 32) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {"sample_shape": [int(n) for n in sample_shape], "width": width}
        channels, height, width_of_image = _image_shape("small-cnn", sample_shape)
        side = min(height, width_of_image)
        stride = 2 if side >= 32 else 1
        layers = [_convolution(channels, width, stride)]
        side, out = math.ceil(side / stride), width
        while side > 4:
            layers.append(_convolution(out, min(2 * out, 4 * width), 2))
            out, side = min(2 * out, 4 * width), math.ceil(side / 2)
            layers.append(_convolution(out, out))
        self.layers = nn.Sequential(*layers)
        self.last_block = f"layers.{len(layers) - 1}"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (B, D) for images (B, C, H, W)."""
        maps = self.layers(images)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)


class _Block(nn.Module):
    """Two convolutions and the identity, the identity subsampled and padded with zeros where sizes differ."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.stride, self.padding = stride, (out_channels - channels) // 2

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(maps)))))
        if self.stride > 1:
            maps = F.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(out + maps)


class ResNet32(nn.Module):
    """The ResNet-32 for CIFAR on which long-tail methods are compared: (B, C, H, W) -> (B, 64).

    Parameters
    ----------
    sample_shape : sequence of int
        (C, H, W), H and W at least 8.

    Raises
    ------
    DataError
        If the samples are no images, or smaller than 8x8.

    References
    ----------
    He et al. 2016, "Deep residual learning for image recognition", section 4.2 (6n + 2 layers, n = 5, shortcuts of
    option A); weights start as in He et al. 2015, "Delving deep into rectifiers", equation 10.
    """

    def __init__(self, sample_shape: Sequence[int]) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {"sample_shape": [int(n) for n in sample_shape]}
        channels, _, _ = _image_shape("resnet32", sample_shape)
        self.conv = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        widths = [16] * 5 + [32] * 5 + [64] * 5
        self.blocks = nn.Sequential(
            *(
                _Block(before, after, 1 if before == after else 2)
                for before, after in zip([16, *widths[:-1]], widths, strict=True)
            )
        )
        self.last_block = f"blocks.{len(widths) - 1}"
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (B, 64) for images (B, C, H, W)."""
        maps: torch.Tensor = self.blocks(F.relu(self.norm(self.conv(images))))
        return maps.mean((2, 3))


class MLP(nn.Module):
    """Two hidden layers with ReLU on the flattened sample: (B, ...) -> (B, width).

    Parameters
    ----------
    sample_shape : sequence of int
        (D,) of a table row; images are flattened.
    width : int
        Units of each hidden layer.
    """

    def __init__(self, sample_shape: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {"sample_shape": [int(n) for n in sample_shape], "width": width}
        self.hidden1 = nn.Linear(math.prod(sample_shape), width)
        self.hidden2 = nn.Linear(width, width)
        self.last_block = "hidden2"

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return features (B, width) for samples (B, ...)."""
        return F.relu(self.hidden2(F.relu(self.hidden1(samples.flatten(1)))))


class TableMLP(nn.Module):
    """Two hidden layers for table rows, held back, beside the row itself: (B, D) -> (B, D + width).

    The row stands among the features, so that the head on them holds a linear classifier, and few rows that part along
    a plane need no hidden layers for it. Values far from the mean are drawn in, x / √(1 + (x/c)²), so that one outlier
    cannot carry a logit away; dropout keeps small tables from being learned by heart.

    Parameters
    ----------
    sample_shape : sequence of int
        (D,) of a table row.
    width : int
        Units of each hidden layer.
    dropout : float
        Share of the hidden units that are left out in a training step.

    References
    ----------
    Cheng et al. 2016, "Wide & deep learning for recommender systems", section 3 (the row beside the hidden layers).
    Holzmüller et al. 2024, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data", section 3 (the
    smooth clipping, c = 3; after robust scaling there, after standardisation here). Srivastava et al. 2014, "Dropout".
    """

    def __init__(self, sample_shape: Sequence[int], width: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "sample_shape": [int(n) for n in sample_shape],
            "width": width,
            "dropout": dropout,
        }
        self.hidden1 = nn.Linear(math.prod(sample_shape), width)
        self.hidden2 = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return features (B, D + width) for samples (B, D)."""
        hidden: torch.Tensor = self.dropout(F.relu(self.hidden1(_drawn_in(samples, 3.0))))
        hidden = self.dropout(F.relu(self.hidden2(hidden)))
        # Three times as large: the linear part wants the larger steps that a linear classifier is trained with.
        return torch.cat([3.0 * _drawn_in(samples, 10.0), hidden], dim=1)


def _drawn_in(samples: torch.Tensor, c: float) -> torch.Tensor:
    return samples * torch.rsqrt(1 + (samples / c).square())


class Flat(nn.Module):
    """The sample itself, flattened, so that the head is the whole model: (B, ...) -> (B, D).

    Parameters
    ----------
    sample_shape : sequence of int
        Of one sample.
    """

    def __init__(self, sample_shape: Sequence[int]) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {"sample_shape": [int(n) for n in sample_shape]}

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return features (B, D) for samples (B, ...)."""
        return samples.flatten(1)


@hookimpl
def imbtk_models() -> Mapping[str, ModelSpec]:
    """Offer small-cnn, resnet32, mlp, table-mlp and linear."""
    specs = (
        ModelSpec("small-cnn", SmallCNN, "images", "A plain CNN for images from 8x8 up, quick on a CPU."),
        ModelSpec("resnet32", ResNet32, "images", "The CIFAR ResNet-32 of the long-tail literature."),
        # On 40,000 rows, 256 of them of a rare class that is oversampled, a smaller decay lets it learn these by heart;
        # with a larger one the plain network no longer learns the rare class (docs/ledger.md has the figures).
        ModelSpec(
            "mlp",
            MLP,
            "any",
            "Two hidden layers of 64 units, for tables; images are flattened.",
            weight_decay=1.5,
            decay_steps=2000,
        ),
        ModelSpec(
            "table-mlp",
            TableMLP,
            "table",
            "A linear classifier and two hidden layers of 64 units with dropout, for small tables.",
            lr=3e-3,
            weight_decay=0.3,
        ),
        ModelSpec("linear", Flat, "any", "A linear classifier, for tables; images are flattened.", lr=1e-2),
    )
    return {spec.name: spec for spec in specs}
