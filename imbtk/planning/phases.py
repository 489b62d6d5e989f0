"""From planned phases to what the loop runs: rows, order, augmentation, mixing, weights, criterion, ledger.

Every hook of a phase is called here, once, and what it returns is checked here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from imbtk.authoring.context import Augment, Criterion, EpochOrder, Mix, Phase, Rows, RunContext
from imbtk.authoring.contracts import (
    class_mass_fault,
    class_weights_fault,
    epoch_lengths_fault,
    epoch_order_fault,
    partner_fault,
    resample_fault,
    schedule_fault,
)
from imbtk.authoring.draw import Draw
from imbtk.authoring.records import ScheduleFunction
from imbtk.planning.dispatch import BatchState, Dispatcher, bind, faultless, random_states_kept
from imbtk.planning.ledger import PhaseLedger, is_shifted_cross_entropy, ledger_of, same_loss
from imbtk.planning.plan import PlanItem, PlannedPhase

__all__ = ["BuiltPhase", "PartnerStream", "build_phase", "cross_entropy", "on_copies", "rows_shown", "steps_of"]

_UNKNOWABLE = ("imbtk_partner", "imbtk_objective", "imbtk_finish")
"""Hooks that move what the network believes of class frequencies in a way that nobody knows beforehand."""

DRAWN_EPOCHS = 64
"""How many epochs are drawn to learn the expected class mass of an order that does not state it."""


@dataclass(frozen=True)
class PartnerStream:
    """The second rows that a strategy chose.

    Attributes
    ----------
    choose : callable
        ``(epoch, order (M,)) -> (M,) int64``, positions into the phase's rows.
    scale : float
        Factor that gives the class weights mean 1 over these rows.
    seed : int
        What their random numbers hang on: other ones than those of the rows that they stand beside.
    """

    choose: Callable[[int, torch.Tensor], torch.Tensor]
    scale: float
    seed: int


@dataclass(frozen=True)
class BuiltPhase:
    """What the loop needs of a phase.

    Attributes
    ----------
    planned : PlannedPhase
    context : RunContext
        As the phase's hooks were told.
    indices : Tensor of int64, shape (n,)
        Row of the data set for each of the phase's rows; -1 for synthetic ones, which come last.
    labels : Tensor of int64, shape (n,)
    synthetic : Tensor of float32, shape (m, D)
    order : callable
        ``epoch -> (M,) int64``, positions into the phase's rows.
    order_length : int
        M.
    partners : mapping of str to PartnerStream
        By the label of the strategy.
    augment, mix : callable, optional
    weights : Tensor of float32, shape (K,), optional
        Scaled to mean 1 over the rows as the order draws them.
    criterion : callable
        ``(logits, target) -> (B,)``.
    schedule : callable, optional
        ``(step, steps) -> factor`` on the learning rate, in the window `schedule_window`.
    schedule_window : Phase
    state : BatchState
        Where the loop puts what callables may ask for.
    ledger : PhaseLedger
    exact : bool
        Whether the ledger's effective prior holds in theory: the criterion is cross-entropy with a fixed shift per
        class, all epochs show the same frequencies, nothing is mixed, no row is made up, and no objective stands
        outside. Found by trying the criterion, so a stranger's counts too.
    """

    planned: PlannedPhase
    context: RunContext
    indices: torch.Tensor
    labels: torch.Tensor
    synthetic: torch.Tensor
    order: Callable[[int], torch.Tensor]
    order_length: int
    partners: Mapping[str, PartnerStream]
    augment: Augment | None
    mix: Mix | None
    weights: torch.Tensor | None
    criterion: Criterion
    schedule: ScheduleFunction | None
    schedule_window: Phase
    state: BatchState
    ledger: PhaseLedger
    exact: bool

    @property
    def steps(self) -> int:
        """Batches in an epoch, as the phase's hooks were told."""
        return self.context.steps_per_epoch

    @property
    def smallest_batch(self) -> int:
        """Rows in the smallest batch of an epoch."""
        size = self.context.batch_size
        return rows_shown(self.order_length, size) % size or size


def rows_shown(length: int, batch_size: int) -> int:
    """Return how many rows of an epoch's order are trained on.

    All of them, but for a last batch of a single row after others: batch norm cannot learn from it.

    Examples
    --------
    >>> rows_shown(129, 64), rows_shown(130, 64), rows_shown(1, 64), rows_shown(129, 1)
    (128, 130, 1, 129)
    """
    return length - (length % batch_size == 1 and 1 < batch_size < length)


def steps_of(length: int, batch_size: int) -> int:
    """Return how many batches an epoch's order makes: of 129 rows two of 64, since the last one stands alone."""
    return -(-rows_shown(length, batch_size) // batch_size)


def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of each sample, (B,), for logits (B, K) and soft targets (B, K)."""
    return F.cross_entropy(logits, target, reduction="none")


def build_phase(planned: PlannedPhase, rows: Rows, base: RunContext) -> BuiltPhase:
    """Call every hook of a phase and return what the loop runs.

    Parameters
    ----------
    planned : PlannedPhase
    rows : Rows
        All training rows.
    base : RunContext
        Of the run; counts, labels and phase are filled in here.

    Raises
    ------
    ConflictError
        If two strategies claim one choice.
    PluginError
        If a hook fails or returns what it may not.
    """
    dispatcher = Dispatcher(planned.items)
    state = BatchState()
    groups = base.groups
    context = _counted(dataclasses.replace(base, phase=planned.phase), rows, groups)
    given = rows
    rows = dispatcher.chain(
        "imbtk_resample",
        "rows",
        rows,
        lambda result, item: faultless(result, item, "imbtk_resample", resample_fault(result, given, context)),
        context=context,
    )
    context = _counted(context, rows, groups)
    order, length, mass, steady = _order(dispatcher, context)
    context = dataclasses.replace(context, steps_per_epoch=steps_of(length, context.batch_size))
    weights = _weights(dispatcher, context, mass)
    reference = _adjusted_cross_entropy(planned, context)
    ledger = ledger_of(context.natural_counts, context.class_counts, mass, weights, reference)
    unknowable = not steady or any(dispatcher.answering(hook) for hook in _UNKNOWABLE)
    if unknowable:
        ledger = ledger.unknown()
    partners = _partners(dispatcher, context, order, weights)
    schedule, schedule_window = _schedule(dispatcher, context)
    context = dataclasses.replace(context, class_mass=mass, effective_prior=ledger.effective)
    mix = _mix(dispatcher, context, state)
    augment = _augment(dispatcher, context, state)
    criterion = _adjusted(dispatcher, _criterion(dispatcher, context, state), context, state)
    made = torch.full((len(rows.synthetic),), -1, dtype=torch.int64)
    return BuiltPhase(
        planned=planned,
        context=context,
        indices=torch.cat([rows.indices, made]),
        labels=rows.all_labels,
        synthetic=rows.synthetic,
        order=order,
        order_length=length,
        partners=partners,
        augment=augment,
        mix=mix,
        weights=None if weights is None else weights.to(torch.float32),
        criterion=criterion,
        schedule=schedule,
        schedule_window=schedule_window,
        state=state,
        ledger=ledger,
        exact=mix is None and not len(made) and not unknowable and _follows_ledger(planned, context, reference),
    )


def _counted(context: RunContext, rows: Rows, groups: torch.Tensor | None) -> RunContext:
    """Return the context with labels, counts, numbers and groups of `rows`; `groups` are those of all data."""
    labels = rows.all_labels
    made = torch.full((len(rows.synthetic_labels),), -1, dtype=torch.int64)
    if groups is not None:
        groups = torch.cat([groups[rows.indices], made])
    counts = torch.bincount(labels, minlength=context.num_classes)
    numbers = torch.cat([rows.indices, made])
    return dataclasses.replace(context, labels=labels, class_counts=counts, groups=groups, rows=numbers)


def _order(
    dispatcher: Dispatcher, context: RunContext
) -> tuple[Callable[[int], torch.Tensor], int, torch.Tensor, bool]:
    """Return ``epoch -> positions``, its length, expected class mass (K,) float64, and whether all epochs have it."""
    answer = dispatcher.choice("imbtk_epoch_order", context=context)
    n = len(context.labels)
    if answer is None:
        shuffle = context.draw.named("shuffle")
        natural = context.class_counts.double() / n
        return (lambda epoch: torch.randperm(n, generator=shuffle.at(epoch).generator())), n, natural, True
    order, item = answer
    draw = context.draw.named(item.label)
    draw_epoch = bind(
        order.draw_epoch if isinstance(order, EpochOrder) else order, item, "imbtk_epoch_order", BatchState()
    )

    def positions(epoch: int, turn: int | None = None) -> torch.Tensor:
        result = draw_epoch(epoch, draw.at(epoch if turn is None else turn))
        fault = epoch_order_fault(result, n)
        if not fault and phase.start <= epoch < phase.stop:
            lengths.setdefault(epoch, len(result))
            fault = epoch_lengths_fault(lengths)
        return faultless(result, item, "imbtk_epoch_order", fault)  # type: ignore[no-any-return]

    phase, lengths = context.phase, dict[int, int]()
    # Tried as the dry run tries what works on batches: in the loop nobody looks.
    with random_states_kept(item, "the callable from imbtk_epoch_order"):
        few = {phase.start, min(phase.start + 1, phase.stop - 1), phase.stop - 1}
        first, *_ = [positions(epoch) for epoch in sorted(few)]
    mass: torch.Tensor | None = order.class_mass if isinstance(order, EpochOrder) else None
    if mass is None:
        # A single draw of a small set is noise: the ledger looks at many, spread over the epochs that there will be.
        spread = [phase.start + (2 * turn + 1) * phase.epochs // (2 * DRAWN_EPOCHS) for turn in range(DRAWN_EPOCHS)]
        mass = torch.stack([_mass(context, positions(epoch, turn)) for turn, epoch in enumerate(spread)]).mean(0)
    faultless(mass, item, "imbtk_epoch_order", class_mass_fault(mass, context.num_classes))
    return positions, len(first), mass.double(), not isinstance(order, EpochOrder) or order.steady


def _partners(
    dispatcher: Dispatcher,
    context: RunContext,
    order: Callable[[int], torch.Tensor],
    weights: torch.Tensor | None,
) -> dict[str, PartnerStream]:
    """Return the second rows that strategies choose, tried for one epoch."""
    found = {}
    for function, item in dispatcher.collect("imbtk_partner", context=context):
        draw = context.draw.named(f"{item.label} partner")
        bound = bind(function, item, "imbtk_partner", BatchState())

        def choose(
            epoch: int, order: torch.Tensor, bound: Any = bound, draw: Draw = draw, item: PlanItem = item
        ) -> torch.Tensor:
            chosen = bound(epoch, order, draw.at(epoch))
            fault = partner_fault(chosen, len(order), len(context.labels))
            return faultless(chosen, item, "imbtk_partner", fault)  # type: ignore[no-any-return]

        first = context.phase.start
        with random_states_kept(item, "the callable from imbtk_partner"):
            chosen = choose(first, order(first))
        scale = 1.0
        if weights is not None:
            epochs = range(1, DRAWN_EPOCHS)
            mass = torch.stack([_mass(context, chosen), *(_mass(context, choose(e, order(e))) for e in epochs)]).mean(0)
            scale = 1 / max(float((mass * weights).sum()), torch.finfo(torch.float32).tiny)
        found[item.label] = PartnerStream(choose, scale, draw.key & 0x7FFFFFFF)
    return found


def _schedule(dispatcher: Dispatcher, context: RunContext) -> tuple[ScheduleFunction | None, Phase]:
    answer = dispatcher.choice("imbtk_schedule", context=context)
    if answer is None:
        return None, context.phase
    function, item = answer
    bound = bind(function, item, "imbtk_schedule", BatchState())

    def factor(step: int, steps: int) -> float:
        found = bound(step, steps)
        return float(faultless(found, item, "imbtk_schedule", schedule_fault(found)))

    for step in (0, 1, 9):
        factor(step, 10)
    return factor, item.during(context.epochs)


def _mass(context: RunContext, positions: torch.Tensor) -> torch.Tensor:
    return torch.bincount(context.labels[positions], minlength=context.num_classes).double() / len(positions)


def _weights(dispatcher: Dispatcher, context: RunContext, mass: torch.Tensor) -> torch.Tensor | None:
    """Return the class weights (K,) float64, scaled to mean 1 over the rows as the order draws them."""
    answer = dispatcher.choice("imbtk_class_weights", context=context)
    if answer is None:
        return None
    weights, item = answer
    faultless(weights, item, "imbtk_class_weights", class_weights_fault(weights, context))
    weights = weights.detach().double().cpu()
    present = context.class_counts > 0
    weights = torch.where(present, weights, torch.zeros_like(weights))
    return weights / (mass * weights).sum()


def _criterion(dispatcher: Dispatcher, context: RunContext, state: BatchState) -> Criterion:
    answer = dispatcher.choice("imbtk_criterion", context=context)
    return cross_entropy if answer is None else bind(*answer, "imbtk_criterion", state)


def _mix(dispatcher: Dispatcher, context: RunContext, state: BatchState) -> Mix | None:
    answer = dispatcher.choice("imbtk_mix", context=context)
    if answer is None:
        return None
    bound, label = bind(*answer, "imbtk_mix", state), answer[1].label

    def named(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        mixed: tuple[torch.Tensor, torch.Tensor] = bound(images, target, draw.named(label))
        return mixed

    return named


def _adjusted(dispatcher: Dispatcher, criterion: Criterion, context: RunContext, state: BatchState) -> Criterion:
    wanted: frozenset[str] = getattr(criterion, "wanted", frozenset())

    def link(result: Any, item: PlanItem) -> Criterion:
        nonlocal wanted
        bound = bind(result, item, "imbtk_adjust_criterion", state)
        # What any link before asks for, the last one asks for.
        wanted |= bound.wanted  # type: ignore[attr-defined]
        bound.wanted = wanted  # type: ignore[attr-defined]
        return bound

    adjusted: Criterion = dispatcher.chain("imbtk_adjust_criterion", "criterion", criterion, link, context=context)
    return adjusted


def _adjusted_cross_entropy(planned: PlannedPhase, context: RunContext) -> Criterion | None:
    """Return the chain of adjustments over plain cross-entropy, on copies of the strategies; None if there is none."""
    dispatcher = Dispatcher(_copies(planned))
    if not dispatcher.answering("imbtk_adjust_criterion"):
        return None
    return _adjusted(dispatcher, cross_entropy, context, BatchState())


def _follows_ledger(planned: PlannedPhase, context: RunContext, reference: Criterion | None) -> bool:
    """Return whether the phase's criterion is the one that the ledger looked at, cross-entropy with shifts."""
    if reference is not None and not is_shifted_cross_entropy(reference, context.num_classes, context.device):
        return False
    # On copies: a criterion that counts its calls must not notice.
    dispatcher = Dispatcher(_copies(planned))
    if not dispatcher.answering("imbtk_criterion"):
        return True
    criterion = _adjusted(dispatcher, _criterion(dispatcher, context, BatchState()), context, BatchState())
    return same_loss(criterion, reference or cross_entropy, context.num_classes, context.device)


def on_copies(phase: BuiltPhase, copies: Mapping[str, PlanItem] | None = None) -> BuiltPhase:
    """Return a phase with what runs for each batch built anew on copies of its strategies, which notice nothing.

    `copies` are those to take, by label, where several phases share them.
    """
    items = _copies(phase.planned) if copies is None else tuple(copies[item.label] for item in phase.planned.items)
    planned = dataclasses.replace(phase.planned, items=items)
    dispatcher, context, state = Dispatcher(planned.items), phase.context, BatchState()
    return dataclasses.replace(
        phase,
        planned=planned,
        augment=_augment(dispatcher, context, state),
        mix=_mix(dispatcher, context, state),
        criterion=_adjusted(dispatcher, _criterion(dispatcher, context, state), context, state),
        state=state,
    )


def _copies(planned: PlannedPhase) -> tuple[PlanItem, ...]:
    return tuple(item.copy() for item in planned.items)


def _augment(dispatcher: Dispatcher, context: RunContext, state: BatchState) -> Augment | None:
    if not dispatcher.answering("imbtk_augment"):
        return None

    def nothing(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> torch.Tensor:
        return images

    def link(result: Any, item: PlanItem) -> Augment:
        bound, label = bind(result, item, "imbtk_augment", state), item.label

        # Each link draws under its own name, whoever calls it: no strategy reshuffles another.
        def named(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> torch.Tensor:
            changed: torch.Tensor = bound(images, target, draw.named(label))
            return changed

        return named

    augment: Augment = dispatcher.chain("imbtk_augment", "augment", nothing, link, context=context)
    return augment
