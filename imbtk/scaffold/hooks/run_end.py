"""A log line when a run has ended."""

import logging
from collections.abc import Mapping
from typing import Any

from imbtk import Strategy, hookimpl


class LogEnd(Strategy):
    """Log what the evaluation says, and where the run folder will be."""

    @hookimpl
    def imbtk_run_end(self, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """Log what metrics there are, and the folder."""
        logging.getLogger(__name__).info("metrics: %s; results in %s", ", ".join(metrics), run["out"])
