"""Networks as programs of ``torch.export``: what a stranger's backbone or head becomes to load without its code."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from imbtk.errors import PluginError, RunFolderError
from imbtk.models.network import Network

__all__ = ["ExportedNetwork", "alike", "example_batch", "export", "load_exported", "on_cpu"]


class ExportedNetwork(nn.Module):
    """A network that ``torch.export`` wrote: (B, *sample_shape) -> logits (B, K), for prediction only.

    Parameters
    ----------
    program : torch.export.ExportedProgram
    sample_shape : tuple of int
    model_name : str
    """

    def __init__(self, program: torch.export.ExportedProgram, sample_shape: tuple[int, ...], model_name: str) -> None:
        super().__init__()
        self.program = program.module()
        self.sample_shape, self.model_name = tuple(sample_shape), model_name
        self.training = False

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for samples (B, *sample_shape)."""
        logits: torch.Tensor = self.program(samples)
        return logits

    def train(self, mode: bool = True) -> ExportedNetwork:
        """Do nothing: the program was written in eval mode and has no other."""
        return self


def alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Tell whether logits are equal but for the order of additions."""
    return torch.allclose(a, b, rtol=1e-3, atol=1e-4 * max(1.0, float(b.abs().max())), equal_nan=True)


def on_cpu(network: Network) -> Network:
    """Return a copy on the CPU, in eval mode."""
    return copy.deepcopy(network).cpu().eval()


def example_batch(network: Network, batch: int = 2) -> torch.Tensor:
    """Return a batch of noise, always the same."""
    parameter = next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, *network.sample_shape, generator=generator).to(parameter.dtype)


def export(network: Network) -> torch.export.ExportedProgram:
    """Return the program of a network in eval mode on the CPU, for batches of any size.

    Raises
    ------
    PluginError
        If ``torch.export`` cannot follow the network, or its program gives other logits.
    """
    whose = (
        f"backbone {type(network.backbone).__name__} with head {type(network.head).__name__}{network.head_origin.text}"
    )
    advice = (
        "A saved model must predict where the plugin is not installed: write forward() with operations on tensors "
        "only, for batches of any size."
    )
    batch = {0: torch.export.Dim("batch")}
    try:
        with torch.no_grad():
            program = torch.export.export(network, (example_batch(network),), dynamic_shapes=(batch,))
            module, example = program.module(), example_batch(network, 3)
            same = alike(module(example), network(example))
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError, AssertionError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        if "specialized it to be a constant" in str(error):
            reason = "its code fixes the number of samples in a batch (x.shape[0] and -1 do not, len(x) does)"
        raise PluginError(
            f"model '{network.model_name}' ({whose}) cannot be saved by torch.export: {reason}. {advice}"
        ) from error
    if not same:
        raise PluginError(
            f"model '{network.model_name}' ({whose}) gives other logits after torch.export than before. {advice}"
        )
    return program


def load_exported(
    path: Path, description: Mapping[str, Any], device: str | torch.device, *, trust_model: bool = False
) -> ExportedNetwork:
    """Read a program from a ``.pt2`` file, which may hold any code: only if that is trusted.

    Raises
    ------
    RunFolderError
        If the file is missing, cannot be read, or is not trusted.
    """
    if not path.is_file():
        raise RunFolderError(f"'{path}' is missing: the model of this folder is incomplete.")
    if not trust_model:
        raise RunFolderError(
            f"the network '{description['model']}' in '{path.parent}' is not built from parts of imbtk alone: it is "
            f"kept as a program ('{path.name}') that torch reads through pickle, which runs whatever code somebody hid "
            "in the file. It was not opened. If you made this run, or trust who did, say --trust-model "
            "(trust_model=True in Python)."
        )
    # torch logs a traceback of its own for a file that is no archive.
    reason = "it is not an archive of torch.export"
    if zipfile.is_zipfile(path):
        try:
            program = torch.export.load(path)
            if torch.device(device).type != "cpu":
                from torch.export.passes import move_to_device_pass

                program = move_to_device_pass(program, device)
            return ExportedNetwork(program, tuple(description["sample_shape"]), description["model"])
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).strip().split("\n")[0]
    raise RunFolderError(
        f"'{path}' cannot be read by torch {torch.__version__} (it was written by {description.get('torch')}): "
        f"{reason}."
    )
