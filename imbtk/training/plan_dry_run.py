"""A whole plan tried before training, on a copied network: what its strategies make of the network, and of each other.

Each phase takes one step on eight rows of each class, between the windows that begin with it and those that end.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch

from imbtk.authoring.records import Batch
from imbtk.errors import PlanError, PluginError
from imbtk.models.network import Network
from imbtk.planning.dispatch import Dispatcher
from imbtk.planning.phases import BuiltPhase, on_copies
from imbtk.training.batches import Batches
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner, check_whole_batches
from imbtk.training.setup import MakeOptimizer
from imbtk.training.step import take_step, trained_parameters
from imbtk.training.windows import Windows

__all__ = ["dry_run_plan"]

_HOOKS = ("imbtk_partner", "imbtk_objective", "imbtk_step", "imbtk_network", "imbtk_finish")
ROWS_OF_A_CLASS = 8
MOST_ROWS = 1024


def dry_run_plan(
    network: Network,
    phases: Sequence[BuiltPhase],
    batches: Batches,
    make_optimizer: MakeOptimizer,
    config: TrainingConfig,
    validation: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Let a plan's strategies change, train and finish a copy of the network, on copies of their own.

    Plans that do none of this are tried by :func:`imbtk.training.dry_run.dry_run`.

    Parameters
    ----------
    network : Network
        On its device; left as it is, and so are random states and strategies.
    phases : sequence of BuiltPhase
    batches : Batches
    make_optimizer : callable
        ``learner -> Optimizer``.
    config : TrainingConfig
    validation : tuple of Tensor
        Rows (n,) of the data set and their labels (n,), of which the first are shown; n may be 0.

    Raises
    ------
    ImbtkError
        If strategies do not go together, or what one of them does fails.
    """
    items = tuple({item.label: item for phase in phases for item in phase.planned.items}.values())
    check_whole_batches(items, config.accumulate, config.world_size)
    if not any(Dispatcher(items).answering(hook) for hook in _HOOKS):
        return
    copies = {item.label: item.copy() for item in items}
    network = copy.deepcopy(network)
    rows, labels = validation
    windows = Windows(network, batches, (rows[:MOST_ROWS], labels[:MOST_ROWS]), few_rows)
    windows.checking = True
    device = batches.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for phase in phases:
            tried, calls = _counting(on_copies(phase, copies))
            phase_batches = batches.phase(tried, config.seed)
            windows.begin(tried, phase_batches)
            judged: set[str] = set()
            learner = Learner(network, tried, judged)
            learner.train()
            optimizer = make_optimizer(learner)
            batch = phase_batches.one(few_rows(tried), tried.planned.phase.start)
            with _objectives_named(phase):
                _, losses = take_step(learner, learner, optimizer, batch, trained_parameters(optimizer), config)
            if not bool(losses.isfinite().all()):
                raise PluginError(f"a dry run of the plan ({_names(phase)}) gives losses that are not finite.")
            _refuse_dropped(phase, judged)
            if not calls:
                _refuse_ignored(phase)
            windows.finish_ending(tried, phase_batches)
            windows.end(tried)
            _check_network(network, batch, phase)


def few_rows(phase: BuiltPhase) -> torch.Tensor:
    """Return positions of the first eight rows of each class: with fewer, neighbours and regressions fail."""
    most = max(1, min(ROWS_OF_A_CLASS, MOST_ROWS // phase.context.num_classes))
    return torch.cat([(phase.labels == k).nonzero()[:most, 0] for k in range(phase.context.num_classes)])


def _counting(phase: BuiltPhase) -> tuple[BuiltPhase, list[None]]:
    """Return a phase whose criterion adds to a list each time it is called."""
    calls: list[None] = []

    def criterion(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        calls.append(None)
        return phase.criterion(logits, target)

    return dataclasses.replace(phase, criterion=criterion), calls


@contextlib.contextmanager
def _objectives_named(phase: BuiltPhase) -> Iterator[None]:
    """Let a refusal of an objective, which does not know who stands around it, end with all objectives' names."""
    try:
        yield
    except PlanError as error:
        objectives = Dispatcher(phase.planned.items).answering("imbtk_objective")
        if len(objectives) > 1:
            names = " and ".join(f"'{item}'" for item in objectives)
            error.args = (f"{error} Objectives of the plan: {names}.",)
        raise


def _refuse_dropped(phase: BuiltPhase, judged: set[str]) -> None:
    """Refuse an objective that one around it, which comes later in the plan, never calls."""
    objectives = Dispatcher(phase.planned.items).answering("imbtk_objective")
    for item, around in pairwise(objectives):
        if item.label not in judged:
            raise PlanError(
                f"the objective of '{around}' never calls that of '{item}', which stands before it in the plan: it "
                "would be ignored. Take one of them away, give them separate epochs, or write "
                f"'{around}' before '{item}'."
            )


def _refuse_ignored(phase: BuiltPhase) -> None:
    """Refuse criteria, adjustments and weights in a phase whose objective never looks at them."""
    dispatcher = Dispatcher(phase.planned.items)
    objectives = dispatcher.answering("imbtk_objective")
    ignored = [
        item
        for hook in ("imbtk_criterion", "imbtk_adjust_criterion", "imbtk_class_weights")
        for item in dispatcher.answering(hook)
        if item not in objectives
    ]
    if ignored:
        names = " and ".join(dict.fromkeys(f"'{item}'" for item in ignored))
        raise PlanError(
            f"{' and '.join(repr(str(item)) for item in objectives)} has an objective of its own, which never looks at "
            f"the loss that {names} makes: it would be ignored. Take one of them away, or give them separate epochs."
        )


def _check_network(network: Network, batch: Batch, phase: BuiltPhase) -> None:
    """Refuse windows after which a network no longer gives logits of its rows."""
    network.eval()
    with torch.no_grad():
        logits = network(batch.inputs)
    wanted = (batch.rows.shape[0], phase.context.num_classes)
    if tuple(logits.shape) != wanted or not bool(logits.isfinite().all()):
        found = "logits that are not finite" if tuple(logits.shape) == wanted else f"shape {tuple(logits.shape)}"
        raise PluginError(
            f"a dry run of the plan ({_names(phase)}) leaves a network that gives {found} instead of {wanted}."
        )


def _names(phase: BuiltPhase) -> str:
    return " and ".join(f"'{item.strategy.name}' ({item.provider})" for item in phase.planned.items)
