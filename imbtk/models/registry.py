"""From the name that a user writes to the network that it means."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from torch import nn

from imbtk.errors import PlanError, PluginError, did_you_mean
from imbtk.models.builtin import imbtk_models
from imbtk.models.spec import Backbone, ModelSpec
from imbtk.models.weights import fill_backbone, read_weights

__all__ = ["default_model", "find_model", "model_names"]

Kind = Literal["images", "table"]


SMALL_TABLE = 10_000
"""Up to so many rows a table counts as small: its rows are shown ten times and more, often enough to be learned by
heart, and dropout is worth what it costs."""


def default_model(kind: Kind, rows: int) -> str:
    """Return the name of the network that data of this kind and size get if the user names none."""
    if kind == "images":
        return "small-cnn"
    return "table-mlp" if rows <= SMALL_TABLE else "mlp"


def model_names(offered: Mapping[str, ModelSpec], torchvision: bool = True) -> list[str]:
    """Return the names of all networks, sorted.

    Parameters
    ----------
    offered : mapping of str to ModelSpec
        What plugins offer.
    torchvision : bool
        Whether to list torchvision's, which takes the time to import it.
    """
    names = {*imbtk_models(), *offered}
    if torchvision:
        from imbtk.models.torchvision_models import torchvision_names

        names.update(torchvision_names())
    return sorted(names)


def find_model(
    name: str,
    kind: Kind,
    sample_shape: tuple[int, ...],
    offered: Mapping[str, ModelSpec],
    pretrained: bool = False,
    weights_file: str | os.PathLike[str] | None = None,
) -> ModelSpec:
    """Return the network of a name.

    Parameters
    ----------
    name : str
        One of :func:`model_names`, or ``package.module:factory``, where ``factory(sample_shape)`` makes the backbone.
    kind : "images" or "table"
        What the data are.
    sample_shape : tuple of int
        (C, H, W) or (D,).
    offered : mapping of str to ModelSpec
        What plugins offer; imbtk's own may be among them.
    pretrained : bool
        Start from torchvision's default weights.
    weights_file : path, optional
        Start from a state dict in a file.

    Returns
    -------
    ModelSpec
        Nothing is built or fetched yet.

    Raises
    ------
    PlanError
        If there is no such model, it is for other data, or has no pretrained weights.
    PluginError
        If a plugin offers a name that imbtk itself has.
    """
    file = None if weights_file is None else os.fspath(weights_file)
    if ":" in name:
        spec = _from_factory(name, kind)
    else:
        spec = _offered_spec(name, offered) or _torchvision_spec(name, kind, sample_shape, offered, pretrained, file)
    if spec.kind not in (kind, "any"):
        raise PlanError(_wrong_kind(name, kind, offered))
    if name in _known(offered) or ":" in name:
        if pretrained and file is None:
            raise PlanError(
                f"model '{name}' has no pretrained weights. Give a file of them with --weights FILE, or take a model "
                "of torchvision: --model resnet50 --pretrained."
            )
        if file is not None:
            spec = dataclasses.replace(spec, build=_with_weights(spec, file))
    return spec


def _known(offered: Mapping[str, ModelSpec]) -> dict[str, ModelSpec]:
    return {**imbtk_models(), **offered}


def _offered_spec(name: str, offered: Mapping[str, ModelSpec]) -> ModelSpec | None:
    own = imbtk_models().get(name)
    theirs = offered.get(name)
    if own is not None and theirs is not None and own != theirs:
        raise PluginError(f"a plugin offers a model '{name}', which imbtk itself has. Give the plugin's another name.")
    return theirs or own


def _torchvision_spec(
    name: str,
    kind: Kind,
    sample_shape: tuple[int, ...],
    offered: Mapping[str, ModelSpec],
    pretrained: bool,
    weights_file: str | None,
) -> ModelSpec:
    from imbtk.models.torchvision_models import torchvision_names, torchvision_spec

    if name not in torchvision_names():
        hint = did_you_mean(name, model_names(offered))
        raise PlanError(f"unknown model '{name}'.{hint} A network of your own is --model package.module:factory.")
    if kind != "images":
        raise PlanError(_wrong_kind(name, kind, offered))
    return torchvision_spec(name, sample_shape[0], pretrained, weights_file)


def _wrong_kind(name: str, kind: Kind, offered: Mapping[str, ModelSpec]) -> str:
    fitting = sorted(other for other, spec in _known(offered).items() if spec.kind in (kind, "any"))
    more = ", or any classifier of torchvision" if kind == "images" else ""
    what, data = ("tables", "images") if kind == "images" else ("images", "a table")
    return f"model '{name}' is for {what}, and these data are {data}. Take one of: {', '.join(fitting)}{more}."


def _from_factory(name: str, kind: Kind) -> ModelSpec:
    """Return the ModelSpec of ``package.module:factory``."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise PlanError(f"model '{name}' is not of the form package.module:factory.")
    # A module in the current folder is meant to be found, as it is by python -m; last, so that it hides nothing.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PlanError(
            f"model '{name}': importing '{module_name}' failed: {error}. It must be installed, on PYTHONPATH, or in "
            "the current folder."
        ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise PlanError(
            f"model '{name}': module '{module_name}' has no function '{attribute}'.{did_you_mean(attribute, names)}"
        )
    return ModelSpec(name, _checked(name, factory), kind, f"{attribute} of {module_name}.")


def _checked(name: str, factory: Callable[[tuple[int, ...]], Any]) -> Backbone:
    def build(sample_shape: tuple[int, ...]) -> nn.Module:
        _check_signature(name, factory)
        backbone = factory(tuple(sample_shape))
        if not isinstance(backbone, nn.Module):
            raise PlanError(
                f"model '{name}': the factory returned an object of type {type(backbone).__name__}, no torch.nn.Module "
                "that maps (B, *sample_shape) to features (B, D)."
            )
        return backbone

    return build


def _check_signature(name: str, factory: Callable[..., Any]) -> None:
    """Refuse a factory that cannot be called with a shape alone; errors in its body stay its own."""
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some callables written in C have none
        return
    try:
        signature.bind(())
    except TypeError as error:
        raise PlanError(
            f"model '{name}': the factory is called with one argument, the shape of a sample such as (3, 64, 64), and "
            f"returns a torch.nn.Module that gives features; its own are {signature} ({error})."
        ) from None


def _with_weights(spec: ModelSpec, weights_file: str) -> Backbone:
    def build(sample_shape: tuple[int, ...]) -> nn.Module:
        backbone = spec.build(sample_shape)
        fill_backbone(backbone, read_weights(weights_file), spec.name, weights_file)
        return backbone

    return build
