"""Checks of an objective: its result, what it is made from, and whose target it judges by."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from imbtk.authoring.contracts import loss_fault
from imbtk.authoring.records import Batch, Outputs
from imbtk.testing.bench import Bench, benches
from imbtk.testing.network_hooks import plain_objective
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.situations import BATCH

__all__: list[str] = []


@check("objective-result", ("imbtk_objective",))
def objective_result(subject: Subject) -> None:
    """The objective gives one finite loss for each sample, (B,), with a finite gradient, also for a batch of one."""
    for bench in benches(subject):
        objective, network = bench.objective(), bench.begun
        if objective is None or network is None:
            continue
        for words, batch in _batches(bench):
            outputs = bench.outputs(batch)
            losses = objective(outputs, batch)
            if fault := loss_fault(losses, batch.rows.shape[0]):
                raise CheckFailure(
                    f"on {words} the objective gives {fault} ({bench.situation})",
                    "Add terms of shape (B,), and leave the mean over the batch to core.",
                )
            learnt = [p for p in network.parameters() if p.requires_grad]
            gradients = torch.autograd.grad(losses.sum(), learnt, allow_unused=True)
            if not all(bool(gradient.isfinite().all()) for gradient in gradients if gradient is not None):
                raise CheckFailure(
                    f"on {words} a gradient of the objective is not finite ({bench.situation})",
                    "Clamp what goes into log, sqrt, norm or a division, before and not after it.",
                )


def _batches(bench: Bench) -> Iterator[tuple[str, Batch]]:
    for size in (BATCH, 1):
        for soft in (False, True):
            yield f"{'soft' if soft else 'hard'} targets, a batch of {size},", bench.batch(size, soft)


@check("objective-handed-on", ("imbtk_objective",))
def objective_handed_on(subject: Subject) -> None:
    """The objective that is returned calls the one it was handed, and uses its losses."""
    for bench in benches(subject, ordinary=True):
        plain, other = bench.objective(), Bench(subject.strategy, bench.situation).objective(_other)
        if plain is None or other is None:
            continue
        batch = bench.batch()
        outputs = _detached(bench.outputs(batch))
        if torch.equal(plain(outputs, batch), other(outputs, batch)):
            raise CheckFailure(
                f"imbtk_objective makes the same losses whatever objective it was handed ({bench.situation})",
                "Criteria and class weights of others are lost: call objective(outputs, batch). An objective that "
                "cannot says so: unchecked = {'objective-handed-on': 'why'}.",
            )


def _other(outputs: Outputs, batch: Batch) -> torch.Tensor:
    return 1 + plain_objective(outputs, batch) ** 2


@check("objective-partner", ("imbtk_objective",))
def objective_partner(subject: Subject) -> None:
    """A partner that is another row is judged by its own target."""
    for bench in benches(subject, ordinary=True):
        objective, choose = bench.objective(), bench.partner()
        if objective is None or choose is None:
            continue
        order = torch.arange(len(bench.context.labels))
        batch = bench.batch()
        if not batch.partners or torch.equal(choose(1, order), order):
            continue  # another view of the same row has the same target
        outputs = _detached(bench.outputs(batch))
        ((label, partner),) = batch.partners.items()
        others = partner.but(target=partner.target.roll(1, 0), labels=partner.labels.roll(1, 0))
        moved = partner.but(inputs=partner.inputs.roll(1, 0))
        losses, of_others, of_moved = (
            objective(outputs, batch.but(partners={label: beside})) for beside in (partner, others, moved)
        )
        if torch.equal(losses, of_others) and not torch.equal(losses, of_moved):
            raise CheckFailure(
                f"the objective is the same whatever the target of the partner is ({bench.situation})",
                "Judge what is made of a partner by its own target, weighted by it: objective(its_outputs, partner).",
            )


def _detached(outputs: Outputs) -> Outputs:
    features, experts = (None if value is None else value.detach() for value in outputs[1:])
    return Outputs(outputs.logits.detach(), features, experts)
