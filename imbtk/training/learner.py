"""The one door to training: network, strategies' modules and objective, as one module that anybody can wrap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from imbtk.authoring.contracts import loss_fault, step_fault
from imbtk.authoring.records import Batch, Objective, Outputs, TakeStep
from imbtk.errors import PlanError, PluginError
from imbtk.models.network import Network
from imbtk.planning.dispatch import Dispatcher, bind, faultless
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.plan import PlanItem

__all__ = ["Learner", "check_losses", "check_whole_batches", "kept_modules", "weighted_criterion"]


class Learner(nn.Module):
    """What is trained in a phase, and what is minimised: a batch -> the weighted loss of each sample (B,).

    Everything that trains goes through here, so wrapping this module is all that data-parallel training or a compiler
    need: wrapping the network alone would leave strategies' own parameters outside.

    Parameters
    ----------
    network : Network
        On its device.
    phase : BuiltPhase
        Its ``imbtk_objective`` and ``imbtk_step`` hooks are called here.
    called : set of str, optional
        Where the labels of strategies go whose objective is called: for a step that is tried.

    Attributes
    ----------
    network : Network
    strategies : ModuleDict
        What strategies keep, by their labels.
    step : callable
        How a step is taken, ``(optimizer, closure) -> loss``.
    """

    def __init__(self, network: Network, phase: BuiltPhase, called: set[str] | None = None) -> None:
        super().__init__()
        self.network = network
        # Bound once: a module looks its parts up in three dictionaries, at each step.
        self._outputs = network.outputs
        phase.state.network = network
        self._objective = _objective_of(network, phase, called)
        self.step = _step_of(phase)
        self._strategies = [item.strategy for item in phase.planned.items]
        self.strategies = kept_modules(phase.planned.items).to(phase.context.device)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of each sample, (B,); core averages it and does nothing else."""
        return self._objective(self._outputs(batch.inputs), batch)

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Put back, at the end, what a forward pass leaves behind: buffers in training mode, what strategies count."""
        buffers = [b for module in self.modules() if module.training for b in module.buffers(recurse=False)]
        before = [buffer.clone() for buffer in buffers]
        counted = [(strategy, _copied(strategy.own_state())) for strategy in self._strategies]
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in zip(buffers, before, strict=True):
                    buffer.copy_(value)
            for strategy, state in counted:
                for key, value in state.items():
                    setattr(strategy, key, value)


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in state.items()}


def weighted_criterion(phase: BuiltPhase, device: torch.device | None = None) -> Objective:
    """Return the objective that the chain begins with: class weights times the phase's criterion, by each target.

    Weights have mean 1 over the rows as drawn, so that no strategy moves the learning rate.
    """
    state, criterion = phase.state, phase.criterion
    weights = None if phase.weights is None else phase.weights.to(device or phase.context.device)

    def objective(outputs: Outputs, batch: Batch) -> torch.Tensor:
        # Callables that ask for features, rows or a partner take them from here, so it is filled first.
        state.outputs, state.batch = outputs, batch
        logits, target = outputs.logits, batch.target
        losses = criterion(logits, target)
        check_losses(losses, logits, phase)
        if weights is None:
            return losses
        losses = losses * (target @ weights)
        return losses if batch.scale == 1.0 else losses * batch.scale

    return objective


def _objective_of(network: Network, phase: BuiltPhase, called: set[str] | None) -> Objective:
    """Return the weighted criterion, and what strategies put around it."""
    objective = weighted_criterion(phase)
    dispatcher = Dispatcher(phase.planned.items)
    if not dispatcher.answering("imbtk_objective"):
        return objective
    state = phase.state

    def link(result: Any, item: PlanItem) -> Objective:
        bound = bind(result, item, "imbtk_objective", state)

        def judged(outputs: Outputs, batch: Batch) -> torch.Tensor:
            state.outputs, state.batch = outputs, batch
            if called is not None:
                called.add(item.label)
            losses = bound(outputs, batch)
            if torch.is_grad_enabled():
                fault = loss_fault(losses, batch.target.shape[0], values=False)
                faultless(losses, item, "imbtk_objective", f"a callable that gives {fault}" if fault else "")
            return losses  # type: ignore[no-any-return]

        return judged

    width = network.branch_width * network.branches
    chained: Objective = dispatcher.chain(
        "imbtk_objective", "objective", objective, link, in_features=width, context=phase.context
    )
    return chained


def kept_modules(items: Sequence[PlanItem]) -> nn.ModuleDict:
    """Return the modules that strategies keep, by strategy and name."""
    kept = {item.label: modules for item in items if (modules := item.strategy.modules())}
    return nn.ModuleDict({label: nn.ModuleDict(modules) for label, modules in kept.items()})


def _step_of(phase: BuiltPhase) -> TakeStep:
    """Return how a phase takes a step: the optimiser's own, or what strategies make of it."""

    def step(optimizer: torch.optim.Optimizer, closure: Any) -> torch.Tensor:
        loss: torch.Tensor = optimizer.step(closure)
        return loss

    def link(result: Any, item: PlanItem) -> TakeStep:
        bound = bind(result, item, "imbtk_step", phase.state)

        def taken(optimizer: torch.optim.Optimizer, closure: Any) -> torch.Tensor:
            loss = bound(optimizer, closure)
            fault = step_fault(loss)
            faultless(loss, item, "imbtk_step", f"a callable that gives {fault}" if fault else "")
            return loss  # type: ignore[no-any-return]

        return taken

    made: TakeStep = Dispatcher(phase.planned.items).chain("imbtk_step", "step", step, link, context=phase.context)
    return made


def check_losses(losses: torch.Tensor, like: torch.Tensor, phase: BuiltPhase) -> None:
    """Refuse a criterion that reduces or reshapes, for a batch with as many rows as `like`."""
    if not isinstance(losses, torch.Tensor) or losses.shape != like.shape[:1]:
        shape = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        names = ", ".join(f"'{item.strategy.name}' ({item.provider})" for item in phase.planned.items)
        size = like.shape[0]
        raise PluginError(
            f"the criterion that the plan makes ({names}) returned {shape} for a batch of {size}: it must give "
            f"one loss for each sample, shape ({size},), unreduced."
        )


def check_whole_batches(items: Sequence[PlanItem], accumulate: int, world_size: int) -> None:
    """Refuse strategies that look at a whole batch where batches are cut.

    Raises
    ------
    PlanError
        If batches are cut into parts, or spread over processes; the strategy is named.
    """
    how = f"--accumulate {accumulate} cuts them" if accumulate > 1 else f"{world_size} processes share them"
    if accumulate == 1 and world_size == 1:
        return
    for item in items:
        if item.strategy.whole_batch:
            raise PlanError(
                f"'{item}' looks at a whole batch at once, and {how} into parts. Run it without, or leave the strategy "
                "out."
            )
