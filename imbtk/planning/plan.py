"""Names and windows, parsed and validated, become the phases of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from imbtk.authoring.context import Phase
from imbtk.authoring.options import StrategySpec, Window, parse_spec
from imbtk.authoring.strategy import Strategy
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.recipes import expand
from imbtk.errors import PlanError

__all__ = ["Plan", "PlanItem", "PlannedPhase", "StrategyLike"]

StrategyLike = str | Strategy | tuple[Strategy, Window]
"""What a list of strategies may hold: ``"focal-loss:gamma=2@80%-"``, ``FocalLoss()``, ``FocalLoss().at("80%-")``."""


@dataclass(frozen=True)
class PlanItem:
    """One strategy of a plan.

    Attributes
    ----------
    strategy : Strategy
    window : Window, optional
        None: on in all epochs.
    provider : str
        Who ships it.
    label : str
        The name, with ``#2`` and so on if it stands more than once in the plan: keys draws and checkpoints.
    """

    strategy: Strategy
    window: Window | None
    provider: str
    label: str

    @property
    def spec(self) -> StrategySpec:
        """The strategy as a user would write it."""
        spec = self.strategy.spec()
        return StrategySpec(spec.name, spec.options, self.window)

    def during(self, epochs: int) -> Phase:
        """Return the stretch of a run of `epochs` in which the strategy is on."""
        return Phase(0, *(self.window.epochs(epochs) if self.window else (0, epochs)))

    def copy(self) -> PlanItem:
        """Return the item with a copy of its strategy, which knows nothing of what the strategy has seen."""
        return replace(self, strategy=self.strategy.clone())

    def __str__(self) -> str:
        """Return the strategy in the one grammar."""
        return str(self.spec)


@dataclass(frozen=True)
class PlannedPhase:
    """A phase and the strategies that are on in it, in the plan's order."""

    phase: Phase
    items: tuple[PlanItem, ...]


@dataclass(frozen=True)
class Plan:
    """The strategies of one run, in the order in which the user gave them."""

    items: tuple[PlanItem, ...]

    @classmethod
    def build(cls, strategies: Sequence[StrategyLike], catalogue: Catalogue) -> Plan:
        """Make a plan from what a user wrote; a plan's name in it stands for its strategies.

        Raises
        ------
        PlanError
            If a strategy is unknown, or something in the list is no strategy.
        OptionError
            If an option is refused.
        """
        if isinstance(strategies, str) or not isinstance(strategies, Sequence):
            such = strategies if isinstance(strategies, str) else "NAME:option=value"
            raise PlanError(f"'strategies' is a list of them, such as ['{such}'] (given: {strategies!r}).")
        items: list[PlanItem] = []
        seen: dict[str, int] = {}
        for entry in (part for whole in strategies for part in expand(whole, catalogue)):
            strategy, window = _resolve(entry, catalogue)
            if window is not None and not any(hook.windowed for hook in strategy.hooks()):
                stages = ", ".join(hook.stage for hook in strategy.hooks())
                raise PlanError(
                    f"'{strategy.name}' takes no window: it acts once in a run ({stages}). "
                    f"Write it without '@{window}'."
                )
            seen[strategy.name] = seen.get(strategy.name, 0) + 1
            label = strategy.name if seen[strategy.name] == 1 else f"{strategy.name}#{seen[strategy.name]}"
            items.append(PlanItem(strategy, window, catalogue.provider_of(type(strategy)), label))
        return cls(tuple(items))

    def phases(self, epochs: int) -> tuple[PlannedPhase, ...]:
        """Cut a run of `epochs` epochs at every start and end of a window.

        Raises
        ------
        PlanError
            If a window holds no epoch of the run, or goes past its end.
        """
        cuts = {0, epochs}
        windows: list[tuple[int, int]] = []
        for item in self.items:
            window = item.during(epochs)
            start, stop = window.start, window.stop
            if item.window and item.window.stop and not item.window.stop_percent and item.window.stop > epochs:
                raise PlanError(f"'{item}' ends after the run, which has {epochs} epochs. Use --epochs or percent.")
            if stop <= start:
                raise PlanError(f"'{item}' is on in no epoch of a run of {epochs}. Use --epochs or another window.")
            windows.append((start, stop))
            cuts.update((start, stop))
        ordered = sorted(cuts)
        return tuple(
            PlannedPhase(
                Phase(index, start, stop),
                tuple(i for i, (a, b) in zip(self.items, windows, strict=True) if a <= start and stop <= b),
            )
            for index, (start, stop) in enumerate(pairwise(ordered))
        )

    def without(self, item: PlanItem) -> Plan:
        """Return the plan with one item taken out."""
        return Plan(tuple(other for other in self.items if other is not item))

    def __str__(self) -> str:
        """Return the plan's strategies in the one grammar, with spaces between; ``nothing`` for an empty plan."""
        return " ".join(map(str, self.items)) or "nothing"


def _resolve(entry: StrategyLike, catalogue: Catalogue) -> tuple[Strategy, Window | None]:
    # Copies: what a strategy fitted in one run is not to be found in the next.
    if isinstance(entry, Strategy):
        return entry.clone(), None
    if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], Strategy) and isinstance(entry[1], Window):
        return entry[0].clone(), entry[1]
    if isinstance(entry, str):
        spec = parse_spec(entry)
        strategy_class, _ = catalogue.find(spec.name)
        return strategy_class(**spec.options), spec.window
    if isinstance(entry, type) and issubclass(entry, Strategy):
        raise PlanError(f"'{entry.__name__}' is a class: give an instance of it, {entry.__name__}(), or its name.")
    raise PlanError(f"{entry!r} is no strategy. Give a name, 'NAME:option=value', or an instance of a Strategy class.")
