"""Weights of single rows in the loss, and in the ledger that probabilities are made by."""

from __future__ import annotations

import dataclasses

import torch

from imbtk.planning.phases import BuiltPhase
from imbtk.planning.prepared import PreparedRun

__all__ = ["with_row_weights"]


def with_row_weights(prepared: PreparedRun, weights: torch.Tensor) -> PreparedRun:
    """Return a run in which the loss of each row counts by its weight, on top of the class weights.

    Parameters
    ----------
    prepared : PreparedRun
    weights : Tensor of float64, shape (N,)
        Of the rows of the data set; only ratios matter. Rows that a strategy makes up have their class's mean.

    Notes
    -----
    As class weights, they are scaled to mean 1 over the rows as an epoch shows them. A class whose rows weigh twice as
    much is twice as frequent: the ledger's rows, where the bias starts and the natural prior follow.
    """
    rows, labels = prepared.data.split.train, prepared.plan.context.labels
    counts = prepared.plan.context.natural_counts.double()
    sums = torch.zeros_like(counts).index_add_(0, labels, weights[rows])
    by_class = torch.where(counts > 0, sums / counts.clamp(min=1), torch.ones_like(counts))
    phases = tuple(_weighted(phase, weights, by_class) for phase in prepared.plan.phases)
    deployment = prepared.plan.deployment
    if prepared.model.config.deploy.strip() == "natural":
        deployment = phases[0].ledger.natural.numpy()
    plan = dataclasses.replace(prepared.plan, phases=phases, deployment=deployment)
    members = tuple(
        dataclasses.replace(member, run=with_row_weights(member.run, weights)) for member in prepared.members
    )
    return dataclasses.replace(prepared, plan=plan, members=members)


def _weighted(phase: BuiltPhase, weights: torch.Tensor, by_class: torch.Tensor) -> BuiltPhase:
    """Return a phase with a weighted criterion and ledger."""
    ledger = phase.ledger
    names = ("natural", "resampled", "ordered", "weighted", "effective", "guess")
    rows = {name: _share(row * by_class) for name in names if (row := getattr(ledger, name)) is not None}
    drawn = ledger.ordered if phase.weights is None else ledger.ordered * phase.weights.double()
    mean = (drawn * by_class).sum()
    device = phase.context.device
    own = (weights / mean).to(device, torch.float32)
    of_class = (by_class / mean).to(device, torch.float32)
    criterion, state = phase.criterion, phase.state

    def weighted(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if state.batch is None:
            return criterion(logits, target)
        numbers = state.batch.rows.to(device)
        weight = torch.where(numbers >= 0, own[numbers.clamp(min=0)], target @ of_class)
        return criterion(logits, target) * weight

    return dataclasses.replace(phase, criterion=weighted, ledger=dataclasses.replace(ledger, **rows))


def _share(row: torch.Tensor) -> torch.Tensor:
    return row / row.sum()
