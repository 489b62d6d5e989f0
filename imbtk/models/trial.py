"""Parts of a network tried on a small batch, and who a head is from: a part that fails is named with its maker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from imbtk.errors import PluginError, as_sentence

__all__ = ["FORWARD_ERRORS", "HeadOrigin", "check_head", "described", "trial_output"]

FORWARD_ERRORS = (RuntimeError, AssertionError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What a forward pass raises that does not fit what it is given."""


@dataclass(frozen=True)
class HeadOrigin:
    """Who made a head.

    Attributes
    ----------
    maker : str
        ``"strategy 'cosine-head' (acme-imb 1.2)"``; empty for core's own.
    hook : str
    remedy : str
        A sentence or two.
    """

    maker: str = ""
    hook: str = ""
    remedy: str = ""

    @property
    def text(self) -> str:
        """Return ``" of strategy … from imbtk_head"``, empty for core's own."""
        return f" of {self.maker} from {self.hook}" if self.maker else ""

    def fault(self, head: nn.Module, what: str) -> PluginError:
        """Return the error for a head of this origin that does `what`: ``"fails on …"``."""
        said = as_sentence(f"head '{type(head).__name__}'{self.text} {what}")
        return PluginError(f"{said} {self.remedy}".rstrip())


def check_head(head: nn.Module, width: int, num_classes: int | None, origin: HeadOrigin | None = None) -> None:
    """Refuse a head that does not make logits of features: in eval mode for two samples and for one, and in training.

    Neither the head, its statistics, nor the CPU's random state are touched.

    Parameters
    ----------
    head : Module
    width : int
        D.
    num_classes : int, optional
        K, checked if given.
    origin : HeadOrigin, optional
        Who is to be named.

    Raises
    ------
    PluginError
        If it fails, gives another shape than (B, K), or values that are not finite.
    """
    origin = origin or HeadOrigin()
    for size, training in ((2, False), (1, False), (2, True)):
        given = f"features of shape {(size, width)}" + (" in training" if training else "")
        features = torch.randn(size, width, generator=torch.Generator().manual_seed(0))
        try:
            output = trial_output(head, features, training)
        except FORWARD_ERRORS as error:
            raise origin.fault(head, f"fails on {given}: {type(error).__name__}: {error}") from error
        fits = isinstance(output, torch.Tensor) and output.ndim == 2 and len(output) == size
        if not fits or (num_classes is not None and output.shape[1] != num_classes):
            wanted = "(B, K)" if num_classes is None else f"{(size, num_classes)}"
            raise origin.fault(head, f"gives {described(output)} for {given} instead of logits {wanted}")
        if not output.is_floating_point() or not bool(output.isfinite().all()):
            kind = "values that are not finite" if output.is_floating_point() else str(output.dtype)
            raise origin.fault(head, f"gives {kind} for {given} instead of finite logits")


def trial_output(module: nn.Module, batch: torch.Tensor, training: bool = False) -> Any:
    """Return what a module gives for a batch, cast to its device and dtype, leaving it and its statistics alone."""
    parameter = next(module.parameters(), None)
    if parameter is not None:
        batch = batch.to(parameter.device, parameter.dtype if parameter.is_floating_point() else batch.dtype)
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with _in_mode(module, training):
        return functional_call(module, buffers, (batch,))


@contextmanager
def _in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Leave training flags of all parts, and the CPU's random state, as they were."""
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for part, flag in before:
            part.training = flag


def described(output: Any) -> str:
    """Return what an output is, for people: its shape, or its type."""
    return f"shape {tuple(output.shape)}" if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
