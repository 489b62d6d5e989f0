"""Keep only so many rows of a class."""

import torch

from imbtk import Rows, RunContext, Strategy, hookimpl, option


class CapRows(Strategy):
    """Train on at most so many rows of each class, chosen at random."""

    most: int = option(50, "Most rows of a class that are kept.", ge=1)

    @hookimpl
    def imbtk_resample(self, rows: Rows, context: RunContext) -> Rows:
        """Return the rows that are kept, in the order in which they stood."""
        labels = rows.all_labels
        shuffled = torch.randperm(len(labels), generator=context.draw.generator())
        kept = [shuffled[labels[shuffled] == k][: self.most] for k in range(context.num_classes)]
        return rows.take(torch.cat(kept).sort().values)
