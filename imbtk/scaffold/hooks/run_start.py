"""A log line when training begins."""

import logging
from collections.abc import Mapping
from typing import Any

from imbtk import Strategy, hookimpl


class LogStart(Strategy):
    """Log what is about to be trained."""

    @hookimpl
    def imbtk_run_start(self, run: Mapping[str, Any]) -> None:
        """Log plan, data and model."""
        logging.getLogger(__name__).info("training %s with %s on %s", run["model"], run["plan"], run["data"])
