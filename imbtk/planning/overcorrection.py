"""Is the class prior corrected twice? The ledger of a plan, and of the plan without each of its strategies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imbtk.errors import PlanError
from imbtk.planning.ledger import OVERCORRECTION
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.plan import PlanItem

__all__ = ["Overcorrection", "find_overcorrection"]

NOTICEABLE = 0.05
"""By how much taking a strategy away must lower the index for the strategy to count as a corrector."""


@dataclass(frozen=True)
class Overcorrection:
    """A phase whose strategies together correct the prior too far.

    Attributes
    ----------
    phase : BuiltPhase
    index : float
        The correction index of all of them together.
    culprits : tuple of (PlanItem, float or None)
        Each strategy whose removal lowers the index, with the index that it has alone.
    """

    phase: BuiltPhase
    index: float
    culprits: tuple[tuple[PlanItem, float | None], ...]

    @property
    def refused(self) -> bool:
        """Whether the plan is refused: two strategies or more at work, none of them with costs that the user stated."""
        return len(self.culprits) > 1 and not any(item.strategy.states_costs() for item, _ in self.culprits)

    def message(self) -> str:
        """Return one paragraph: who, how far, what each does alone, what to do."""
        stretch = self.phase.planned.phase
        alone = ", ".join(
            f"'{item}' alone {'is not known' if index is None else f'has index {index:.2f}'}"
            for item, index in self.culprits
        )
        names = " and ".join(f"'{item.strategy.name}'" for item, _ in self.culprits)
        return (
            f"the plan corrects the class frequencies too far in epochs {stretch.start}-{stretch.stop}: the correction "
            f"index is {self.index:.2f}, where 0 leaves the data's frequencies, 1 makes them uniform and 2 inverts "
            f"them ({alone}). At work together: {names}. Take one away, weaken them by their options, give them "
            "separate epochs, or run it as it is with --allow-overcorrection."
        )


def find_overcorrection(
    phases: Sequence[BuiltPhase], rebuild: Callable[[BuiltPhase, tuple[PlanItem, ...]], BuiltPhase]
) -> list[Overcorrection]:
    """Return the phases whose index is above 1.25.

    Parameters
    ----------
    phases : sequence of BuiltPhase
    rebuild : callable
        ``(phase, items) -> BuiltPhase`` with other strategies, on copies.
    """
    found = []
    for phase in phases:
        index = phase.ledger.index
        if index is None or index <= OVERCORRECTION:
            continue
        culprits = []
        for item in phase.planned.items:
            others = tuple(other for other in phase.planned.items if other is not item)
            rest = _index(rebuild, phase, others)
            if rest is not None and rest < index - NOTICEABLE:
                culprits.append((item, _index(rebuild, phase, (item,))))
        found.append(Overcorrection(phase, index, tuple(culprits)))
    return found


def _index(
    rebuild: Callable[[BuiltPhase, tuple[PlanItem, ...]], BuiltPhase], phase: BuiltPhase, items: tuple[PlanItem, ...]
) -> float | None:
    """Return the index of some of a phase's strategies; None where they do not work without the others."""
    try:
        return rebuild(phase, items).ledger.index
    except PlanError:
        return None
