"""A backbone with a head: built from a seed, split into parameter groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

from imbtk.errors import ImbtkError, PluginError
from imbtk.models.heads import ScaledHead
from imbtk.models.spec import ModelSpec
from imbtk.models.trial import FORWARD_ERRORS, HeadOrigin, check_head, described, trial_output

__all__ = [
    "Network",
    "build_network",
    "feature_width",
    "parameter_groups",
    "prefers_channels_last",
    "set_prior_bias",
]


class Network(nn.Module):
    """A classifier in two parts: (B, *sample_shape) -> logits (B, K).

    Parameters
    ----------
    backbone : Module
        (B, *sample_shape) -> features (B, D).
    head : Module
        (B, D) -> (B, K).
    sample_shape : tuple of int
        (C, H, W) of an image, (D,) of a table row.
    model_name : str
        The name that the user gave.

    Attributes
    ----------
    head_origin : HeadOrigin
        Who made the head: named where it fails.
    """

    def __init__(
        self, backbone: nn.Module, head: nn.Module, sample_shape: tuple[int, ...] = (), model_name: str = ""
    ) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.sample_shape, self.model_name = tuple(sample_shape), model_name
        self.backbone_frozen = False
        self.head_origin = HeadOrigin()

    def features(self, samples: torch.Tensor) -> torch.Tensor:
        """Return features (B, D) for samples (B, *sample_shape)."""
        features: torch.Tensor = self.backbone(samples)
        return features

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for samples (B, *sample_shape)."""
        logits: torch.Tensor = self.head(self.features(samples))
        return logits

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for features (B, D); a strategy whose head fails is named.

        Raises
        ------
        PluginError
            If a head that a strategy made raises something, or gives another number of rows.
        """
        if not self.head_origin.maker:
            return self.head(features)  # type: ignore[no-any-return]
        given = f"features of shape {tuple(features.shape)}"
        try:
            logits = self.head(features)
        except (ImbtkError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:  # a stranger's code may raise anything: it is named, and its cause kept
            raise self.head_origin.fault(self.head, f"fails on {given}: {type(error).__name__}: {error}") from error
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != len(features):
            raise self.head_origin.fault(self.head, f"gives {described(logits)} for {given} instead of logits (B, K)")
        return logits

    def freeze_backbone(self) -> None:
        """Keep the backbone as it is: no gradients, and batch norm stays in eval mode, its statistics unmoved."""
        self.backbone_frozen = True
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def train(self, mode: bool = True) -> Network:
        """Set training mode, but for a frozen backbone, which stays in eval mode."""
        super().train(mode)
        if self.backbone_frozen:
            self.backbone.eval()
        return self


def feature_width(backbone: nn.Module, sample_shape: tuple[int, ...], name: str = "") -> int:
    """Return D, the width of the features, found by one batch of zeros in eval mode.

    Neither the global random state nor the statistics of batch norm are touched.

    Parameters
    ----------
    backbone : Module
    sample_shape : tuple of int
    name : str
        What the user calls the model; the class's name if empty.

    Raises
    ------
    PluginError
        If the backbone fails on such a batch, or its output is not (B, D).
    """
    name = name or type(backbone).__name__
    given = f"a batch of shape {(2, *sample_shape)}"
    try:
        output = trial_output(backbone, torch.zeros(2, *sample_shape))
    except FORWARD_ERRORS as error:
        raise PluginError(
            f"model '{name}' fails on {given}: {error}. Is it made for samples of this shape (--image-size)?"
        ) from error
    if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != 2 or not output.shape[1]:
        raise PluginError(
            f"model '{name}' gives {described(output)} for {given}. A backbone gives features of shape (B, D): "
            "average or flatten maps, leave the classifier off, and return one tensor."
        )
    return int(output.shape[1])


def build_network(
    spec: ModelSpec,
    sample_shape: tuple[int, ...],
    make_head: Callable[[int], nn.Module],
    seed: int,
    num_classes: int | None = None,
) -> Network:
    """Return backbone and head on the CPU, their initial weights a function of `seed` alone.

    Parameters
    ----------
    spec : ModelSpec
    sample_shape : tuple of int
    make_head : callable
        ``D -> Module`` that maps (B, D) to (B, K).
    seed : int
    num_classes : int, optional
        K, checked if given.

    Raises
    ------
    PluginError
        If backbone or head is no Module, fails on a batch, or its output has another shape.
    """
    sample_shape = tuple(int(n) for n in sample_shape)
    # Seeding the CPU's generator directly: torch.manual_seed would touch the accelerators' as well.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        backbone = spec.build(sample_shape)
        if not isinstance(backbone, nn.Module):
            raise PluginError(f"model '{spec.name}' is a {type(backbone).__name__}, not a torch.nn.Module.")
        width = feature_width(backbone, sample_shape, spec.name)
        # Seeded anew: the head's weights do not depend on how many numbers the backbone drew, or whether from a file.
        torch.default_generator.manual_seed(seed + 1)
        head = make_head(width)
        if not isinstance(head, nn.Module):
            raise PluginError(f"the head is a {type(head).__name__}, not a torch.nn.Module that maps (B, D) to (B, K).")
        check_head(head, width, num_classes)
    return Network(backbone, head, sample_shape, spec.name)


def set_prior_bias(head: nn.Module, log_prior: torch.Tensor) -> bool:
    """Start the bias of a linear head at the log of a class prior, so that no step is spent on learning it.

    Parameters
    ----------
    head : Module
        Changed in place if it is linear or scaled and has a bias.
    log_prior : Tensor, shape (K,)
        A class that never comes (minus infinity) gets the bias of the rarest that does.

    Returns
    -------
    bool
        Whether the head has such a bias.
    """
    linear = head.linear if isinstance(head, ScaledHead) else head
    if not isinstance(linear, nn.Linear) or linear.bias is None:
        return False
    finite = torch.isfinite(log_prior)
    values = torch.where(finite, log_prior, log_prior[finite].min()) if finite.any() else torch.zeros_like(log_prior)
    with torch.no_grad():
        linear.bias.copy_(values)
    return True


def parameter_groups(
    network: Network,
    weight_decay: float,
    lr: float,
    lr_backbone: float | None = None,
    freeze: Literal["backbone"] | None = None,
) -> list[dict[str, Any]]:
    """Return parameter groups for AdamW or SGD: no weight decay on norms, biases and positions.

    Parameters
    ----------
    network : Network
        With ``freeze="backbone"`` its backbone is frozen here.
    weight_decay : float
    lr : float
        Of the head, and of the backbone unless `lr_backbone` is given.
    lr_backbone : float, optional
    freeze : "backbone", optional

    Returns
    -------
    list of dict
        With ``params``, ``lr``, ``weight_decay`` and ``name``; empty groups are left out.
    """
    if freeze == "backbone":
        network.freeze_backbone()
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for part, rate in (("backbone", lr if lr_backbone is None else lr_backbone), ("head", lr)):
        decayed: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for module in network.get_submodule(part).modules():
            for name, parameter in module.named_parameters(recurse=False):
                # A parameter that two modules share is one parameter.
                if parameter.requires_grad and id(parameter) not in seen:
                    seen.add(id(parameter))
                    decayed[_decays(module, name, parameter)].append(parameter)
        for decays, parameters in decayed.items():
            if parameters:
                decay = weight_decay if decays else 0.0
                label = f"{part}, weights" if decays else f"{part}, norms and biases"
                groups.append({"params": parameters, "lr": rate, "weight_decay": decay, "name": label})
    return groups


def _decays(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)) and name == "weight":
        return True
    if "Norm" in type(module).__name__ or "position" in name or name.startswith("pos_") or name.endswith("bias"):
        return False
    # Scales and class tokens are vectors, whatever dimensions of size one they carry.
    return parameter.numel() > max(parameter.shape, default=1)


def prefers_channels_last(network: nn.Module) -> bool:
    """Tell whether channels-last can pay: with convolutions."""
    return any(isinstance(module, nn.Conv2d) for module in network.modules())
