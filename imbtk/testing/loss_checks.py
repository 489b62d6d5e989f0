"""Checks of a criterion, chosen or adjusted: shape, finite values, finite gradients, direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from imbtk.authoring.contracts import loss_fault
from imbtk.errors import ImbtkError
from imbtk.testing.bench import benches
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import BATCH

__all__: list[str] = []

LOSSES = ("imbtk_criterion", "imbtk_adjust_criterion")
EXTREME = 1e4
"""How large logits get: float16 ends at 65504."""
LEAD = 4.0


@dataclass(frozen=True)
class LossCase:
    """A batch of logits and targets, and in which words to speak of it."""

    words: str
    logits: torch.Tensor
    target: torch.Tensor
    criterion: Callable[[torch.Tensor, torch.Tensor], Any]

    def loss(self) -> torch.Tensor:
        """Return the loss per sample.

        Raises
        ------
        CheckFailure
            If the criterion raises, or gives no tensor.
        """
        try:
            loss = self.criterion(self.logits, self.target)
        except ImbtkError as error:
            raise CheckFailure(f"on {self.words}: {error}", "Let the criterion take any such batch.") from error
        if not isinstance(loss, torch.Tensor):
            raise CheckFailure(f"on {self.words} the loss is a {type(loss).__name__}", "Return a tensor (B,).")
        return loss


def loss_cases(subject: Subject, thorough: bool = True) -> Iterator[LossCase]:
    """Yield batches of every kind in every situation; few of them unless `thorough`."""
    for bench in benches(subject):
        if bench.situation.kind == "table":
            continue
        criterion = bench.criterion()
        if criterion is None:
            continue
        for size in (BATCH, 1):
            for soft in (False, True):
                target = bench.situation.target(size, soft)
                for kind, logits in _logits(bench.situation.logits(size), target).items():
                    for dtype in (torch.float32, torch.bfloat16, torch.float16):
                        if not thorough and (kind != "normal" or dtype != torch.float32):
                            continue
                        words = (
                            f"{kind} {str(dtype).removeprefix('torch.')} logits, {'soft' if soft else 'hard'} targets, "
                            f"a batch of {size}, {bench.situation.name}"
                        )
                        yield LossCase(words, logits.to(dtype).requires_grad_(), target, criterion)


def _logits(normal: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    wrong = torch.where(target > 0, -EXTREME, EXTREME)
    return {"normal": normal, "constant": torch.zeros_like(normal), "extreme wrong": wrong, "extreme right": -wrong}


@check("loss-shape", LOSSES)
def loss_shape(subject: Subject) -> None:
    """The criterion gives one floating-point loss for each sample, (B,), also for a batch of one."""
    for case in loss_cases(subject, thorough=False):
        if fault := loss_fault(case.loss(), len(case.logits)):
            raise CheckFailure(
                f"on {case.words} the criterion gives {fault}",
                "Sum over classes (dim=1) and leave the mean over the batch to core: reduction='none'.",
            )


@check("loss-finite", LOSSES)
def loss_finite(subject: Subject) -> None:
    """The loss is finite in fp32, bf16 and fp16, for hard and soft targets, constant and extreme logits."""
    for case in loss_cases(subject):
        if not bool(case.loss().isfinite().all()):
            raise CheckFailure(
                f"on {case.words} the loss is not finite",
                "Start from log_softmax instead of softmax and log, take half-precision logits to float32 first, and "
                "clamp class counts at 1 before dividing by them or taking their log.",
            )


@check("loss-gradient", LOSSES)
def loss_gradient(subject: Subject) -> None:
    """The loss has a finite gradient in fp32, bf16 and fp16, for hard and soft targets, constant and extreme logits."""
    for case in loss_cases(subject):
        loss = case.loss()
        if not loss.requires_grad:
            raise CheckFailure(
                f"on {case.words} the loss does not hang on the logits",
                "Compute it from logits with torch functions, without detach, item, numpy or no_grad.",
            )
        (gradient,) = torch.autograd.grad(loss.float().sum(), case.logits, allow_unused=True)
        if gradient is None or not bool(gradient.isfinite().all()):
            raise CheckFailure(
                f"on {case.words} the gradient is {'missing' if gradient is None else 'not finite'}",
                "Clamp what goes into log, pow with an exponent below 1, sqrt or a division, before and not after it.",
            )


@check("loss-direction", LOSSES)
def loss_direction(subject: Subject) -> None:
    """The loss is smaller where the true class leads than where it trails."""
    for bench in benches(subject, ordinary=True):
        criterion = bench.criterion()
        if criterion is None:
            continue
        target = bench.situation.target()
        right, wrong = (float(criterion(sign * LEAD * target, target).mean()) for sign in (1, -1))
        if not right < wrong:
            raise CheckFailure(
                f"the mean loss is {right:.4g} where the true class leads by {LEAD:g} and {wrong:.4g} where it trails "
                f"({bench.situation})",
                "A loss falls as the true class's logit rises: look for a lost minus sign.",
            )
