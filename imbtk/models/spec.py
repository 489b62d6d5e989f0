"""What core must know of a network to build, train and save it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

__all__ = ["Backbone", "ModelSpec"]

Backbone = Callable[[tuple[int, ...]], nn.Module]


@dataclass(frozen=True)
class ModelSpec:
    """A network by name.

    Attributes
    ----------
    name : str
    build : callable
        ``sample_shape -> Module`` that maps (B, *sample_shape) to features (B, D). The head is not its business: core
        finds D by running one batch and puts the head of the plan on top.
    kind : "images", "table" or "any"
        What it can be used on.
    summary : str
        One line for people.
    lr : float
        Learning rate that suits it with AdamW from scratch.
    weight_decay : float
        Weight decay that suits it with AdamW at the rate `lr`. With another rate as much is taken from the weights in a
        step: the decay is divided by as much as the rate is multiplied (Loshchilov & Hutter 2019, algorithm 2, where
        the two are separate). SGD has fifty times the rate, and a decay of 0.0002, in any case.
    decay_steps : int
        In trainings of fewer steps the weight decay is proportionally smaller: being short holds a network back enough.
    mean, std : tuple of float, optional
        The normalisation that pretrained weights ask for, one number per channel; None: that of the training rows.
    image_size : int, optional
        The size that pretrained weights were made for.
    """

    name: str
    build: Backbone
    kind: Literal["images", "table", "any"] = "images"
    summary: str = ""
    lr: float = 1e-3
    weight_decay: float = 0.01
    decay_steps: int = 0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | None = None
