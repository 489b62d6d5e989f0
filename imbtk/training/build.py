"""A plan becomes the phases that a loop runs: ours, scikit-learn's and anybody's own check and combine alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from imbtk.authoring.context import Rows, RunContext
from imbtk.errors import PlanError
from imbtk.planning.dispatch import Dispatcher
from imbtk.planning.idle import idle_strategies
from imbtk.planning.overcorrection import find_overcorrection
from imbtk.planning.phases import BuiltPhase, build_phase
from imbtk.planning.plan import Plan, PlanItem, PlannedPhase
from imbtk.training.dry_run import dry_run

__all__ = ["build_phases"]


def build_phases(
    plan: Plan, rows: Rows, context: RunContext, allow_overcorrection: bool = False
) -> tuple[tuple[BuiltPhase, ...], tuple[str, ...]]:
    """Return the phases of a plan, and what must be said of them.

    Parameters
    ----------
    plan : Plan
    rows : Rows
        All training rows.
    context : RunContext
        Of all training rows, with the epochs of the whole run.
    allow_overcorrection : bool
        Warn of a plan that corrects the class frequencies twice, instead of refusing it.

    Returns
    -------
    phases : tuple of BuiltPhase
    warnings : tuple of str

    Raises
    ------
    ImbtkError
        If a strategy cannot serve the run, two claim one choice, a window makes no sense, a hook fails, or two
        strategies or more together correct the class frequencies too far.
    """
    said: list[str] = []
    for item in plan.items:
        told = replace(context, window=item.during(context.epochs))
        item.strategy.check_run(told)
        said += item.strategy.notices(told)
    phases = tuple(build_phase(planned, rows, context) for planned in plan.phases(context.epochs))
    for phase in phases:
        dry_run(phase.planned, phase.context)
        said += idle_strategies(phase)
    _refuse_undone(plan, context.epochs)

    def rebuild(phase: BuiltPhase, items: tuple[PlanItem, ...]) -> BuiltPhase:
        copies = tuple(item.copy() for item in items)
        return build_phase(PlannedPhase(phase.planned.phase, copies), rows, context)

    for found in find_overcorrection(phases, rebuild):
        if found.refused and not allow_overcorrection:
            raise PlanError(found.message())
        said.append(found.message())
    return phases, tuple(dict.fromkeys(said))


def _refuse_undone(plan: Plan, epochs: int) -> None:
    """Refuse two strategies that put weights of their own in the network's place at the same time."""
    finishing = [item for item in Dispatcher(plan.items).answering("imbtk_finish") if item.strategy.replaces_weights]
    for first, second in combinations(finishing, 2):
        if first.during(epochs).stop == second.during(epochs).stop:
            raise PlanError(
                f"'{first}' and '{second}' each put other weights in the network's place when training ends, and the "
                "second would undo the first: enable one of them."
            )
