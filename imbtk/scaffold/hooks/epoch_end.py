"""A log line after each epoch."""

import logging
from collections.abc import Mapping

from imbtk import Strategy, hookimpl, option


class LogEpochs(Strategy):
    """Log the training loss every few epochs."""

    every: int = option(1, "Epochs from one line to the next.", ge=1)

    @hookimpl
    def imbtk_epoch_end(self, epoch: int, record: Mapping[str, float]) -> None:
        """Log the loss of an epoch."""
        if epoch % self.every == 0:
            logging.getLogger(__name__).info("epoch %d: training loss %.4f", epoch, record["train_loss"])
