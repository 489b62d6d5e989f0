"""The grid: which plans are compared, and the cells plan × repeat × fold that it takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from imbtk.authoring.options import split_specs
from imbtk.authoring.strategy import Strategy
from imbtk.comparison.config import ComparisonConfig
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.recipes import read_recipes
from imbtk.errors import PlanError
from imbtk.planning.plan import Plan, StrategyLike

__all__ = ["BASELINE", "GridCell", "PlanRow", "grid", "make_rows"]

BASELINE = "nothing"
"""The plan without a strategy, which is always a row."""

_SLUG = 40


@dataclass(frozen=True)
class PlanRow:
    """A plan that is compared.

    Attributes
    ----------
    name : str
        The plan in the one grammar, options that differ from their defaults written out.
    plan : Plan
    required : bool
        Whether the user asked for it: if it makes no sense for the data that is an error, otherwise it is left out.
    parts : tuple of str
        For a pair of ``--pairs``: the names of the two plans that it is made of.
    """

    name: str
    plan: Plan
    required: bool = True
    parts: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The plan in letters that every file system has, with a digest that tells plans apart."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=4).hexdigest()
        letters = re.sub(r"[^A-Za-z0-9.=@-]+", "_", self.name)[:_SLUG].strip("_.")
        return f"{letters}-{digest}"

    def strategies(self) -> list[StrategyLike]:
        """Return fresh copies of the plan's strategies: nothing that one cell fits reaches another."""
        return [
            item.strategy.clone() if item.window is None else (item.strategy.clone(), item.window)
            for item in self.plan.items
        ]


@dataclass(frozen=True)
class GridCell:
    """One training of the grid: a plan on one fold of one repeat.

    Attributes
    ----------
    plan : PlanRow
    repeat, fold : int
        From 0.
    ungrouped : bool
        With groups ignored, to show the leak.
    """

    plan: PlanRow
    repeat: int
    fold: int
    ungrouped: bool = False

    @property
    def name(self) -> str:
        """Where the cell's run folder is, below ``cells/``."""
        side = "ungrouped/" if self.ungrouped else ""
        return f"{side}{self.plan.slug}/repeat-{self.repeat + 1}-fold-{self.fold + 1}"

    @property
    def words(self) -> str:
        """The cell for people."""
        ungrouped = ", groups ignored" if self.ungrouped else ""
        return f"'{self.plan.name}', repeat {self.repeat + 1}, fold {self.fold + 1}{ungrouped}"


def grid(rows: Sequence[PlanRow], config: ComparisonConfig) -> list[GridCell]:
    """Return the cells, those of one split side by side: what is stopped early has whole splits, for all plans."""
    return [
        GridCell(row, repeat, fold, ungrouped)
        for ungrouped in ((False, True) if config.also_ungrouped else (False,))
        for repeat in range(config.repeats)
        for fold in range(config.folds)
        for row in rows
    ]


def make_rows(
    config: ComparisonConfig, catalogue: Catalogue, plans: Sequence[str | Sequence[StrategyLike]] = ()
) -> list[PlanRow]:
    """Return the plans to compare, the baseline first.

    Parameters
    ----------
    config : ComparisonConfig
    catalogue : Catalogue
    plans : sequence, optional
        From Python, beside those of the configuration: texts, or sequences of strategies.

    Raises
    ------
    PlanError
        If a plan is unknown, stands twice, holds a strategy that splits, or there is nothing to compare.
    OptionError
        If an option of a strategy is refused.
    """
    rows = [PlanRow(BASELINE, Plan(()))]
    for plan in (*config.plan, *plans):
        _add(rows, _row(plan, catalogue))
    singles = [spec for text in config.each for spec in split_specs(text, ",")]
    for spec in singles:
        _add(rows, _row(spec, catalogue))
    if config.pairs:
        for first, second in combinations(singles, 2):
            parts = tuple(str(Plan.build([spec], catalogue)) for spec in (first, second))
            _add(rows, _row([first, second], catalogue, required=False, parts=parts))
    given = bool(config.plan or plans or config.each)
    if config.plan_set is not None or not given:
        for text in read_recipes(catalogue).set_named(config.plan_set or "default"):
            _add(rows, _row(text, catalogue, required=False))
    if len(rows) == 1:
        raise PlanError(
            "there is no plan to compare with the baseline. Give one or more: --plan 'NAME NAME', --each NAME,NAME."
        )
    return rows


def _row(
    plan: str | Sequence[StrategyLike], catalogue: Catalogue, required: bool = True, parts: tuple[str, ...] = ()
) -> PlanRow:
    if isinstance(plan, (str, Strategy)):
        plan = split_specs(plan) if isinstance(plan, str) else [plan]
    if not plan:
        raise PlanError("a plan is empty. The baseline, with no strategy, is always a row.")
    if list(plan) == [BASELINE]:
        raise PlanError(f"'{BASELINE}' is the baseline, which is always a row: leave --plan {BASELINE} out.")
    built = Plan.build(plan, catalogue)
    for item in built.items:
        if any(hook.name == "imbtk_split" for hook in item.strategy.hooks()):
            raise PlanError(
                f"the plan '{built}' holds '{item}', which splits. In a comparison every plan gets the same folds, "
                "made by the comparison with whole groups and every class on every side: leave it out of the plan. "
                "--folds, --repeats and --seed say how to split."
            )
    return PlanRow(str(built), built, required, parts)


def _add(rows: list[PlanRow], row: PlanRow) -> None:
    if any(row.name == other.name for other in rows):
        raise PlanError(f"the plan '{row.name}' is named twice. Leave one out: a plan has one row.")
    rows.append(row)
