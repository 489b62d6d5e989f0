"""Decisions as if all classes were equally frequent."""

import numpy as np

from imbtk import DecisionRule, RunContext, Strategy, hookimpl, option


class FavourRare(Strategy):
    """Decide for the class whose probability is highest in comparison to its frequency."""

    favour: float = option(1.0, "Power of the frequency: 0 decides for the most probable class.", ge=0)

    @hookimpl
    def imbtk_decide(
        self, logits: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, context: RunContext
    ) -> DecisionRule:
        """Return a shift of the log-probabilities: data, which the saved model carries."""
        counts = np.bincount(labels, minlength=context.num_classes).clip(min=1)
        return DecisionRule(on="probabilities", shift=-self.favour * np.log(counts / counts.sum()), name="rare first")
