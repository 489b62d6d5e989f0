"""The folder of a comparison, read back: which cells are done, and what they predicted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imbtk.comparison.cells import cell_folder, failure_of, is_done
from imbtk.comparison.config import ComparisonConfig, make_comparison_config
from imbtk.comparison.grid import GridCell, PlanRow
from imbtk.comparison.outcomes import JudgedRows, Outcome, read_outcome
from imbtk.comparison.protocol import read_protocol
from imbtk.planning.plan import Plan
from imbtk.runs.format import DECISION, METRICS, PLAN
from imbtk.runs.metrics import read_metrics

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["ComparisonFolder"]


class ComparisonFolder:
    """The cells of a comparison as they are on disk; neither the data nor the strategies are needed.

    Parameters
    ----------
    folder : Path
    offered : mapping of str to callable, optional
        Metrics of plugins, the primary one among them.

    Raises
    ------
    RunFolderError
        If it is no comparison.
    """

    def __init__(self, folder: Path, offered: Mapping[str, ExtraMetric] | None = None) -> None:
        self.folder = folder
        self._offered = offered or {}
        self.protocol = read_protocol(folder)
        self.config: ComparisonConfig = make_comparison_config(self.protocol["options"])
        self.class_names = tuple(self.protocol["data"]["class_names"])
        self.plans = [PlanRow(plan["name"], Plan(()), parts=tuple(plan["parts"])) for plan in self.protocol["plans"]]

    @property
    def positive(self) -> int | None:
        """The positive class of binary data."""
        return None if self.config.positive is None else self.class_names.index(self.config.positive)

    def cells(self, plan: PlanRow, ungrouped: bool = False) -> list[GridCell]:
        """Return the cells of a plan."""
        config = self.config
        return [GridCell(plan, r, f, ungrouped) for r in range(config.repeats) for f in range(config.folds)]

    def lacks(self, plan: PlanRow, ungrouped: bool = False) -> str | None:
        """Return why a plan cannot be judged, None if all its cells are done."""
        cells = self.cells(plan, ungrouped)
        failed = [(cell, reason) for cell in cells if (reason := failure_of(self.folder, cell))]
        if failed:
            cell, reason = failed[0]
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            return f"repeat {cell.repeat + 1}, fold {cell.fold + 1} failed{more}: {reason}"
        done = sum(is_done(self.folder, cell) for cell in cells)
        return None if done == len(cells) else f"{done} of {len(cells)} cells are done"

    def read(self, plan: PlanRow, ungrouped: bool = False) -> tuple[JudgedRows, Outcome]:
        """Return the rows, and what a plan predicted for them."""
        config = self.config
        rows, outcome = read_outcome(
            self.folder,
            plan,
            config.repeats,
            config.folds,
            self.class_names,
            ungrouped=ungrouped,
            positive=self.positive,
        )
        primary = self.config.primary
        asked = (primary,) if self.cost is None else (primary, "expected_cost")
        extra = {primary: self._offered[primary]} if primary in self._offered else {}
        return replace(rows, group_name=self.group_name, cost=self.cost, asked=asked, extra=extra), outcome

    @cached_property
    def costs(self) -> list[np.ndarray]:
        """The cost matrices (K, K) by which plans decide, each once."""
        found: list[np.ndarray] = []
        for plan in self.plans:
            path = cell_folder(self.folder, self.cells(plan)[0]) / DECISION
            stated = json.loads(path.read_text(encoding="utf-8"))["rule"]["cost"] if path.is_file() else None
            if stated is not None and not any(np.array_equal(stated, other) for other in found):
                found.append(np.asarray(stated, dtype=np.float64))
        return found

    @property
    def cost(self) -> np.ndarray | None:
        """The cost matrix that all rows are judged by: the one that plans state, if they state the same."""
        return self.costs[0] if len(self.costs) == 1 else None

    @cached_property
    def group_name(self) -> str:
        """What a group is called, as the baseline's first cell says."""
        cell = cell_folder(self.folder, self.cells(self.plans[0])[0])
        return str(read_metrics(cell / METRICS)["group_name"])

    def train_counts(self) -> list[int]:
        """Return rows per class of the first training side: what is rare there may not be rare in the data."""
        place = cell_folder(self.folder, self.cells(self.plans[0])[0])
        plan = PLAN.read(place)
        return [int(n) for n in plan["split"]["class_counts"]["train"]]
