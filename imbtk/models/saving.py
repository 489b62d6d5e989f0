"""A trained network as a folder that loads where no plugin is installed.

``weights.safetensors`` holds the tensors and ``model.json`` says what they belong to. Backbones and heads of imbtk are
built anew from there, which runs no code from the folder; anything else is kept beside them as ``network.pt2``, a
program made by ``torch.export``, which is read only from who is trusted: torch unpickles parts of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from imbtk.authoring.prediction import View
from imbtk.errors import ImbtkError, RunFolderError
from imbtk.files import read_versioned, replacing, write_atomically
from imbtk.models.branches import Branches, ExpertHead, branch_backbone
from imbtk.models.builtin import MLP, Flat, ResNet32, SmallCNN, TableMLP
from imbtk.models.ensemble import Ensemble
from imbtk.models.heads import CosineHead, LinearHead, ScaledHead
from imbtk.models.network import Network
from imbtk.models.programs import alike, example_batch, export, load_exported, on_cpu
from imbtk.models.weights import load_state, state_differences

__all__ = ["SCHEMA_VERSION", "check_saveable", "load_network", "read_description", "save_network"]

SCHEMA_VERSION = 2
"""The newest version of ``model.json`` that is read. 2 is written where there are views or members, unknown to 1."""

_DESCRIPTION, _WEIGHTS, _PROGRAM = "model.json", "weights.safetensors", "network.pt2"

Recipe = dict[str, Any]


def save_network(folder: str | Path, network: Network | Ensemble, description: Mapping[str, Any]) -> None:
    """Write a network, and what is needed to predict with it, into a folder.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist. Files in it are replaced one by one, ``model.json`` last, never half written.
    network : Network
        On any device; it stays as it is.
    description : mapping
        What JSON can hold: class names, normalisation, calibration, decision. It stands in ``model.json`` beside
        the keys ``schema_version``, ``model``, ``sample_shape``, ``num_classes``, ``backbone``, ``head``,
        ``channels_last``, ``torch`` and, where there are several, ``views``.

    Raises
    ------
    PluginError
        If a part that is not imbtk's own cannot be written by ``torch.export``.
    ValueError
        If `description` has one of the keys above with another value.
    """
    folder = Path(folder)
    if isinstance(network, Ensemble):
        _save_members(folder, network, description)
        return
    network = on_cpu(network)
    with torch.no_grad():
        logits = network(example_batch(network))
    recipes = _recipes(network)
    rebuilds = recipes is not None and _same_when_rebuilt(network, recipes, logits)
    backbone, head = recipes if rebuilds and recipes is not None else (None, None)
    record: dict[str, Any] = {
        "schema_version": 2 if network.views else 1,
        "model": network.model_name,
        "sample_shape": list(network.sample_shape),
        "num_classes": int(logits.shape[1]),
        "backbone": backbone,
        "head": head,
        "channels_last": _is_channels_last(network),
        "torch": torch.__version__,
    }
    if network.views:
        record["views"] = [view.to_json() for view in network.views]
    text = _described(record, description)
    program = None if rebuilds else export(network)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / _WEIGHTS) as path:
        _write_weights(path, network)
    if program is not None:
        with replacing(folder / _PROGRAM) as path:
            torch.export.save(program, path)
    write_atomically(folder / _DESCRIPTION, f"{text}\n".encode())


def _save_members(folder: Path, ensemble: Ensemble, description: Mapping[str, Any]) -> None:
    """Write each network into a folder of its own, and what they have in common beside these."""
    for number, member in enumerate(ensemble.members, 1):
        save_network(folder / _member(number), cast("Network", member), {})
    first = read_description(folder / _member(1))
    record = {
        **{key: first[key] for key in ("sample_shape", "num_classes", "channels_last", "torch")},
        "model": description.get("model", first["model"]),  # members may have other ones
        "schema_version": 2,
        "backbone": None,
        "head": None,
        "members": len(ensemble.members),
    }
    write_atomically(folder / _DESCRIPTION, f"{_described(record, description)}\n".encode())


def _member(number: int) -> str:
    return f"member-{number}"


def _described(record: dict[str, Any], description: Mapping[str, Any]) -> str:
    """Return what ``model.json`` holds: what is known of the network, and the description, which must agree."""
    for key in record.keys() & description.keys():
        if json.loads(json.dumps(description[key])) != record[key]:
            raise ValueError(f"'{key}' of a saved model is {record[key]!r}, the description says {description[key]!r}")
    return json.dumps({**record, **description}, indent=2, ensure_ascii=False)


def check_saveable(network: Network) -> None:
    """Find out before training whether a network can be saved.

    Raises
    ------
    PluginError
        If a part that is not imbtk's own cannot be written by ``torch.export``.
    """
    if _recipes(network) is None:
        export(on_cpu(network))


def load_network(
    folder: str | Path, device: str | torch.device = "cpu", *, trust_model: bool = False
) -> tuple[nn.Module, dict[str, Any]]:
    """Read what :func:`save_network` wrote.

    Parameters
    ----------
    folder : str or Path
    device : str or torch.device
    trust_model : bool
        Read a program of ``torch.export`` too, which may run any code.

    Returns
    -------
    network : Network, ExportedNetwork or Ensemble
        In eval mode, (B, *sample_shape) -> logits (B, K).
    description : dict
        What ``model.json`` holds.

    Raises
    ------
    RunFolderError
        If a file is missing, broken, from a newer imbtk, a pickle, a program that is not trusted, or does not fit the
        others.
    """
    folder = Path(folder)
    description = read_description(folder)
    if count := description.get("members"):
        members = [
            load_network(folder / _member(number), device, trust_model=trust_model)[0]
            for number in range(1, int(count) + 1)
        ]
        return Ensemble(members).eval(), description
    if description["backbone"] is None or description["head"] is None:
        return load_exported(folder / _PROGRAM, description, device, trust_model=trust_model), description
    state = _read_state(folder / _WEIGHTS)
    try:
        network = _rebuilt(description)
    except (ImbtkError, TypeError, KeyError, ValueError) as error:
        raise RunFolderError(f"'{folder / _DESCRIPTION}' describes a network that cannot be built: {error}.") from error
    if differences := state_differences(network.state_dict(), state):
        raise RunFolderError(f"'{folder / _WEIGHTS}' does not fit '{_DESCRIPTION}' beside it: {differences}.")
    load_state(network, state)
    if description["channels_last"]:
        network.to(memory_format=torch.channels_last)
    return network.to(device).eval(), description


# Building anew -----------------------------------------------------------------------------------------------------


def _recipes(network: Network) -> tuple[Recipe, Recipe] | None:
    """Return how to build backbone and head anew; None if one of them is not imbtk's own."""
    backbone, head = _backbone_recipe(network), _head_recipe(network.head)
    return None if backbone is None or head is None else (backbone, head)


def _backbones() -> dict[str, type[nn.Module]]:
    from imbtk.models.torchvision_models import TorchvisionBackbone

    return {
        "small-cnn": SmallCNN,
        "resnet32": ResNet32,
        "mlp": MLP,
        "table-mlp": TableMLP,
        "linear": Flat,
        "torchvision": TorchvisionBackbone,
    }


_HEADS: dict[str, type[nn.Module]] = {"linear": LinearHead, "cosine": CosineHead, "scaled": ScaledHead}


def _backbone_recipe(network: Network) -> Recipe | None:
    whole = type(network.backbone) is Branches
    backbone = network.backbone.copies[0] if whole else network.backbone  # type: ignore[index]
    # The very class: a subclass may compute anything.
    for kind, known in _backbones().items():
        if type(backbone) is known:
            recipe: Recipe = {"kind": kind, "arguments": backbone.arguments}
            if network.branches > 1:
                recipe["branches"] = network.branches
            return {**recipe, "whole": True} if whole else recipe
    return None


def _head_recipe(head: nn.Module) -> Recipe | None:
    if type(head) is ExpertHead:
        heads = [_head_recipe(own) for own in head.heads]
        return None if None in heads else {"kind": "experts", "heads": heads, "parted": head.parted}
    if type(head) in (LinearHead, nn.Linear):
        sizes: Recipe = {"in_features": head.in_features, "out_features": head.out_features}
        return {"kind": "linear", "arguments": {**sizes, "bias": head.bias is not None}}
    if type(head) is CosineHead:
        arguments = {"in_features": head.in_features, "num_classes": head.out_features, "scale": float(head.scale)}
        return {"kind": "cosine", "arguments": arguments}
    if type(head) is ScaledHead:
        sizes = {"in_features": head.in_features, "num_classes": head.out_features}
        return {"kind": "scaled", "arguments": {**sizes, "bias": head.linear.bias is not None}}
    return None


def _rebuilt(description: Mapping[str, Any]) -> Network:
    """Return an untrained network as described; the global random state stays as it is."""
    recipe = description["backbone"]
    with torch.random.fork_rng(devices=[]):
        backbone = _backbones()[recipe["kind"]](**recipe["arguments"])
        network = Network(
            backbone, _rebuilt_head(description["head"]), tuple(description["sample_shape"]), description["model"]
        )
        network.views = tuple(map(View.from_json, description.get("views", ())))
        if (branches := recipe.get("branches", 1)) > 1:
            if recipe.get("whole"):
                network.backbone = Branches(backbone, branches)
            else:
                branch_backbone(backbone, branches)
            network.branches = branches
    return network


def _rebuilt_head(recipe: Recipe) -> nn.Module:
    if recipe["kind"] == "experts":
        return ExpertHead([_rebuilt_head(own) for own in recipe["heads"]], recipe["parted"])
    return _HEADS[recipe["kind"]](**recipe["arguments"])


def _same_when_rebuilt(network: Network, recipes: tuple[Recipe, Recipe], logits: torch.Tensor) -> bool:
    """Tell whether building anew gives this network: somebody may have changed parts of an imbtk backbone."""
    parts = {"backbone": recipes[0], "head": recipes[1]}
    anew = _rebuilt({**parts, "sample_shape": network.sample_shape, "model": network.model_name})
    anew.views = network.views
    if state_differences(anew.state_dict(), network.state_dict()):
        return False
    load_state(anew, network.state_dict())
    with torch.no_grad():
        return alike(anew.eval()(example_batch(network)), logits)


def _is_channels_last(network: nn.Module) -> bool:
    return any(
        p.ndim == 4 and p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous()
        for p in network.parameters()
    )


# Files -------------------------------------------------------------------------------------------------------------


def _write_weights(path: Path, network: Network) -> None:
    from safetensors.torch import save_file

    # Clones, because safetensors refuses tensors that share memory.
    save_file(
        {name: value.clone(memory_format=torch.contiguous_format) for name, value in network.state_dict().items()}, path
    )


def read_description(folder: Path) -> dict[str, Any]:
    """Return what ``model.json`` in the folder of a model holds, without the network.

    Raises
    ------
    RunFolderError
        If it is missing, broken, or from a newer imbtk.
    """
    path = folder / _DESCRIPTION
    if not path.is_file():
        raise RunFolderError(f"'{path}' does not exist: '{path.parent}' is not the folder of a saved model.")
    description = read_versioned(path, SCHEMA_VERSION)
    if lacking := [
        key for key in ("model", "sample_shape", "backbone", "head", "channels_last") if key not in description
    ]:
        raise RunFolderError(f"'{path}' lacks {', '.join(lacking)}: it was changed or not written by imbtk.")
    return description


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    pickles = "imbtk does not load pickles, which can run any code; the weights are expected as safetensors"
    if not path.is_file():
        others = sorted(p.name for p in path.parent.iterdir() if p.suffix in (".pt", ".pth"))
        also = f" '{others[0]}' is there, but {pickles}." if others else ""
        raise RunFolderError(f"'{path}' is missing: the model of this folder is incomplete.{also}")
    with path.open("rb") as file:
        begin = file.read(9)
        # A safetensors file begins with the length of its header, whose first byte can be a pickle's, and then "{".
        if begin.startswith((b"PK\x03\x04", b"\x80")) and begin[8:] != b"{":
            raise RunFolderError(f"'{path}' is a PyTorch .pt file under another name: {pickles}.")
    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"'{path}' cannot be read as safetensors: {error}.") from None
    return state
