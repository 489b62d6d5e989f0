"""Several models on the same rows."""

from collections.abc import Sequence

from imbtk import Dataset, Member, RunContext, Split, Strategy, hookimpl, option


class Twins(Strategy):
    """Train models that differ by their seed alone, and predict the mean of their logits."""

    number: int = option(2, "How many.", ge=1)

    @hookimpl
    def imbtk_members(self, dataset: Dataset, split: Split, context: RunContext) -> Sequence[Member]:
        """Return the models: the first is the run's own."""
        return [Member(split.train, context.draw.seed + place) for place in range(self.number)]
