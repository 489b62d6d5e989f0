"""Split whole groups at random."""

import torch

from imbtk import Dataset, RunContext, Split, Strategy, hookimpl, option


class GroupSplit(Strategy):
    """Split at random, rows of one group (patient) together."""

    share: float = option(0.2, "Share of groups on the validation side, and on the test side.", gt=0, lt=0.5)

    @hookimpl
    def imbtk_split(self, dataset: Dataset, context: RunContext) -> list[Split]:
        """Return one fold: two shares of the groups for validation and test, the rest for training."""
        groups = torch.arange(len(dataset)) if dataset.groups is None else dataset.groups
        names = torch.unique(groups)
        names = names[torch.randperm(len(names), generator=context.draw.generator())]
        size = max(1, round(self.share * len(names)))
        test, validation = torch.isin(groups, names[:size]), torch.isin(groups, names[size : 2 * size])
        return [Split(*(side.nonzero()[:, 0] for side in (~(test | validation), validation, test)))]
