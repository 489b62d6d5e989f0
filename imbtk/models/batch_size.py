"""Whether a network can be trained on batches as small as a run has them."""

from __future__ import annotations

import torch
from torch import nn

from imbtk.errors import OptionError, PluginError, as_sentence
from imbtk.models.network import Network
from imbtk.models.trial import FORWARD_ERRORS, trial_output

__all__ = ["check_smallest_batch"]

TRIED = (2, 3, 4, 8, 16)


def check_smallest_batch(network: Network, smallest: int, batch_size: int) -> None:
    """Refuse a network that cannot learn from the smallest batch of a run: batch norm cannot from a single value.

    Neither the network, its statistics, nor the CPU's random state are touched.

    Parameters
    ----------
    network : Network
        With its backbone frozen, if it will be.
    smallest : int
        Samples in the smallest batch of the run.
    batch_size : int
        As the user gave it.

    Raises
    ------
    OptionError
        If larger batches work: names the layer, and the smallest batch that does.
    PluginError
        If none works.
    """
    tried = min(smallest, TRIED[0])  # what works with two samples works with more
    error = _failure(network, tried)
    if error is None:
        return
    what = f"model '{network.model_name}' fails in training on a batch of {tried}, at {_culprit(network, tried)}: "
    what = as_sentence(f"{what}{error}")
    works = next((size for size in TRIED if size > tried and _failure(network, size) is None), None)
    if works is None:
        raise PluginError(what) from error
    if batch_size < works:
        what = f"option 'batch_size' (given: {batch_size}): {what} Write {works} or more"
    else:
        what = (
            f"the smallest batch of an epoch has {smallest} of {batch_size} rows, and {what} Leave it {works} or more"
        )
    raise OptionError(f"{what}, or take another model.") from error


def _failure(network: Network, size: int) -> Exception | None:
    """Return what goes wrong in training on a batch of `size`, if something does."""
    try:
        trial_output(network, torch.zeros(size, *network.sample_shape), training=True)
    except FORWARD_ERRORS as error:
        return error
    return None


def _culprit(network: Network, size: int) -> str:
    """Return the layer that was entered last when a batch of `size` failed."""
    entered: list[str] = []

    def note(name: str, module: nn.Module) -> None:
        entered.append(f"layer '{name}' ({type(module).__name__})")

    hooks = [
        module.register_forward_pre_hook(lambda module, _, name=name: note(name, module))
        for name, module in network.named_modules()
        if name
    ]
    try:
        _failure(network, size)
    finally:
        for hook in hooks:
            hook.remove()
    return entered[-1] if entered else "its own forward"
