"""A log line when a run has ended."""

import logging
from collections.abc import Mapping
from typing import Any

from imbtk import Strategy, hookimpl


class LogEnd(Strategy):
    """Log which sides were evaluated, and where the run folder will be."""

    @hookimpl
    def imbtk_run_end(self, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """Log the sides and the folder."""
        logging.getLogger(__name__).info("evaluated %s; results in %s", ", ".join(metrics), run["out"])
