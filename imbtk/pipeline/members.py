"""Several models in one run: each a run of the same plan, on rows and with a seed of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch

from imbtk.authoring.context import Member, RunContext, Split
from imbtk.authoring.contracts import members_fault
from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.data.hold_out import cut
from imbtk.data.imbalance import induce
from imbtk.errors import ImbtkError, PlanError
from imbtk.planning.config import RunConfig, validated
from imbtk.planning.dispatch import Dispatcher, faultless
from imbtk.planning.ledger import PhaseLedger
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.plan import Plan
from imbtk.planning.prepared import MemberRun, PreparedRun

__all__ = ["ask_members", "natural_counts", "with_members"]

MakeRun = Callable[[RunConfig, Plan, Split], PreparedRun]
"""Returns the run of a member: its options, a copy of the plan, and its rows."""


def ask_members(plan: Plan, dataset: Dataset, split: Split, context: RunContext, seed: int) -> tuple[Member, ...]:
    """Return the models that a run consists of; none where it is one model, the run's own.

    Raises
    ------
    PluginError
        If a strategy returns something else than members; the strategy is named.
    """
    answer = Dispatcher(plan.items).choice("imbtk_members", dataset=dataset, split=split, context=context)
    if answer is None:
        return ()
    members, item = answer
    faultless(members, item, "imbtk_members", members_fault(members, dataset.labels, split))
    first = members[0]
    plain = len(members) == 1 and torch.equal(first.train, split.train) and first.seed == seed and not first.options
    return () if plain else tuple(members)


def natural_counts(prepared: PreparedRun, members: Sequence[Member]) -> torch.Tensor:
    """Return the rows of each class, (K,) int64, among those that members draw from.

    The run's training rows, and the validation rows that some member learns from: else chance in the split between
    these two would be taken for a correction.
    """
    dataset, split = prepared.data.dataset, prepared.data.split
    learnt = torch.unique(torch.cat([member.train for member in members]))
    borrowed = _induced(dataset, learnt[torch.isin(learnt, split.validation)])
    return torch.bincount(dataset.labels[torch.cat([split.train, borrowed])], minlength=dataset.num_classes)


def _induced(dataset: Dataset, rows: torch.Tensor) -> torch.Tensor:
    """Return the validation rows that are left for training where an imbalance is induced on training rows."""
    if dataset.induced is None or not len(rows):
        return rows
    return induce(dataset.labels, rows, dataset.induced, dataset.num_classes)


def with_members(prepared: PreparedRun, members: Sequence[Member], config: RunConfig, make: MakeRun) -> PreparedRun:
    """Return a run that consists of several, each prepared on copies of its strategies.

    Parameters
    ----------
    prepared : PreparedRun
        As if it were one model.
    members : sequence of Member
    config : RunConfig
        With what the user left open still open: a member may have another network.
    make : callable

    Raises
    ------
    ImbtkError
        If a member cannot be trained; its number is named.
    """
    if not members:
        return prepared
    runs = []
    for number, member in enumerate(members, 1):
        own = _own_config(prepared.model.config, config, member, len(members))
        copied = Plan(tuple(item.copy() for item in prepared.plan.strategies.items))
        split = _own_split(prepared, member, own)
        try:
            run = make(own, copied, split)
        except ImbtkError as error:
            error.args = (f"member {number} of {len(members)}: {error}",)
            raise
        runs.append(MemberRun(run, _unseen(prepared.data.dataset, prepared.data.split, member.train)))
    _check_judged(prepared, runs)
    plan = prepared.plan
    warnings = tuple(dict.fromkeys((*plan.warnings, *(text for run in runs for text in run.run.plan.warnings))))
    phases = _together(plan.phases, [run.run.plan.phases for run in runs])
    plan = dataclasses.replace(plan, phases=phases, warnings=warnings)
    return dataclasses.replace(prepared, plan=plan, members=tuple(runs))


def _check_judged(prepared: PreparedRun, runs: Sequence[MemberRun]) -> None:
    """Refuse members all of whom have seen a validation row: nothing could be fitted on it, or said of it."""
    rows = prepared.data.split.validation
    seen = rows[~torch.isin(rows, torch.cat([run.unseen for run in runs]))]
    if len(seen) and prepared.unseen is None:
        asked = Dispatcher(prepared.plan.strategies.items).answering("imbtk_members")
        raise PlanError(
            f"{' and '.join(repr(str(item)) for item in asked)} lets all {len(runs)} members learn from {len(seen)} of "
            f"{len(rows)} validation rows (row {int(seen[0])}), or from others of their groups: nothing is left "
            "to fit probabilities and decisions on. Each validation row must be new to one member at least."
        )


def _own_config(resolved: RunConfig, given: RunConfig, member: Member, count: int) -> RunConfig:
    """Return the options of a member: those given, as long as the run and stopped as it is, and its own on top."""
    taken: dict[str, Any] = {key: getattr(resolved, key) for key in ("epochs", "early_stop", "patience")}
    taken["max_minutes"] = None if given.max_minutes is None else given.max_minutes / count
    taken |= {**member.options, "seed": member.seed}
    return validated({**given.model_dump(exclude_unset=True), **taken}, RunConfig)


def _own_split(prepared: PreparedRun, member: Member, config: RunConfig) -> Split:
    """Return what a member is trained and validated on.

    One that learns from validation rows of the run must not choose its best epoch by rows that calibration and
    decisions need unseen: it cuts off rows of its own, whole groups of them.
    """
    dataset, split = prepared.data.dataset, prepared.data.split
    nothing = torch.empty(0, dtype=torch.int64)
    borrowed = torch.isin(member.train, split.validation)
    if not borrowed.any():
        return Split(member.train, split.validation, nothing)
    train = member.train[~borrowed | torch.isin(member.train, _induced(dataset, torch.unique(member.train[borrowed])))]
    if not config.stops_early:
        return Split(train, nothing, nothing)
    share = len(split.validation) / (len(split.train) + len(split.validation))
    _, off = cut(dataset, torch.unique(train).numpy(), share, Draw(member.seed, "member validation").numpy())
    own = torch.from_numpy(off)
    return Split(train[~torch.isin(train, own)], own, nothing)


def _unseen(dataset: Dataset, split: Split, train: torch.Tensor) -> torch.Tensor:
    """Return the training and validation rows of the run that a member has not seen, nor any row of their groups."""
    known = torch.cat([split.train, split.validation]).sort().values
    if dataset.groups is None:
        return known[~torch.isin(known, train)]
    return known[~torch.isin(dataset.groups[known], dataset.groups[train])]


def _together(phases: Sequence[BuiltPhase], members: Sequence[Sequence[BuiltPhase]]) -> tuple[BuiltPhase, ...]:
    """Return the phases of the run, with the ledgers that its members have together."""
    if any(len(own) != len(phases) for own in members):
        last = mean_ledger([own[-1].ledger for own in members])
        return (*phases[:-1], dataclasses.replace(phases[-1], ledger=last))
    return tuple(
        dataclasses.replace(phase, ledger=mean_ledger([own[place].ledger for own in members]))
        for place, phase in enumerate(phases)
    )


def mean_ledger(ledgers: Sequence[PhaseLedger]) -> PhaseLedger:
    """Return the ledger of the mean of several models' logits: what each believes, as a geometric mean."""
    if len(ledgers) == 1:
        return ledgers[0]

    def mean(name: str) -> torch.Tensor | None:
        rows = [getattr(ledger, name) for ledger in ledgers]
        if any(row is None for row in rows):
            return None
        if all(torch.equal(row, rows[0]) for row in rows):
            return rows[0]  # type: ignore[no-any-return]
        return torch.stack(rows).log().mean(0).softmax(0)

    made = {name: mean(name) for name in ("natural", "resampled", "ordered", "weighted", "effective", "guess")}
    if made["effective"] is None and made["guess"] is None:
        made["guess"] = torch.stack([ledger.believed for ledger in ledgers]).log().mean(0).softmax(0)
    return PhaseLedger(**made)  # type: ignore[arg-type]
