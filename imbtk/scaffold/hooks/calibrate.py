"""One temperature for all logits."""

import dataclasses

import numpy as np

from imbtk import CalibrationMap, RunContext, Strategy, hookimpl, option


class Temperature(Strategy):
    """Scale logits so that the log-loss on validation rows is least."""

    widest: float = option(10.0, "Scales from 1/widest to widest are tried.", gt=1)

    @hookimpl
    def imbtk_calibrate(
        self, map: CalibrationMap, logits: np.ndarray, labels: np.ndarray, context: RunContext
    ) -> CalibrationMap:
        """Return the map with its scale multiplied by the best one of 41."""

        def log_loss(factor: float) -> float:
            scaled = dataclasses.replace(map, scale=map.scale * factor)
            return -float(scaled.log_probabilities(logits)[np.arange(len(labels)), labels].mean())

        best = min(np.geomspace(1 / self.widest, self.widest, 41).tolist(), key=log_loss)
        return dataclasses.replace(map, scale=map.scale * best)
