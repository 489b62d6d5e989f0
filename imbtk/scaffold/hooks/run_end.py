"""A log line when a run has ended."""

import logging
from collections.abc import Mapping
from typing import Any

from imbtk import Strategy, hookimpl


class LogEnd(Strategy):
    """Log what the evaluation says, and where the run folder will be."""

    @hookimpl
    def imbtk_run_end(self, run: Mapping[str, Any], metrics: Mapping[str, Any], error: str | None) -> None:
        """Log what metrics there are, and the folder."""
        said = error or f"metrics: {', '.join(metrics)}"
        logging.getLogger(__name__).info("%s; results in %s", said, run["out"])
