"""A section of one's own on the page of a run."""

from collections.abc import Mapping
from typing import Any

from imbtk import Strategy, hookimpl


class PlanSection(Strategy):
    """Add a table of the plan to the report."""

    @hookimpl
    def imbtk_report(self, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Return one section: a title, and a table whose first row is its head."""
        rows = [("strategy", "model"), *((strategy, str(run["model"])) for strategy in run["plan"])]
        return [("What was combined", rows)]
