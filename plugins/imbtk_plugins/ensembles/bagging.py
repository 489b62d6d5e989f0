"""Bagging of balanced selections."""

from __future__ import annotations

import torch

from imbtk import Dataset, Member, RunContext, Split, Strategy, hookimpl, option

__all__ = ["Bagging"]


class Bagging(Strategy):
    """Train several models, each on a balanced selection of its own, and predict the mean of their logits.

    Notes
    -----
    Each of n models learns from m = `ratio` · min_c n_c rows of each class, drawn without replacement, all of them
    where a class has no more: rows of the rarest class stand in every selection, those of the others in some. It is
    EasyEnsemble with networks in the place of boosted trees. Validation rows are the run's.

    The ledger counts the selections: with ratio=1 logits are those of equal classes, and probabilities are drawn back
    from there.

    When to use
    -----------
    When the frequent class has many times more rows than are needed to know it, and training on all of them is slow.

    Cost
    ----
    n short trainings: each has at most K · m rows. A prediction takes n times as long.

    Not with
    --------
    ``class-weights``, ``oversample`` and ``logit-adjust``: with ratio=1 they find equal counts and do nothing, which
    is said; with a larger one they correct what the selection leaves.

    Evidence
    --------
    Liu, Wu & Zhou 2009 find EasyEnsemble's AUROC above that of undersampling on 16 tables; for networks on images there
    is none. Where rows of the frequent class carry what is hard, throwing them away costs.

    References
    ----------
    Liu, Wu & Zhou 2009, "Exploratory undersampling for class-imbalance learning", Algorithm 1 (EasyEnsemble).
    """

    n: int = option(5, "Number of models.", ge=1, le=100)
    ratio: float = option(1.0, "Rows of each class in a selection, in those of the rarest class.", ge=1)

    @hookimpl
    def imbtk_members(self, dataset: Dataset, split: Split, context: RunContext) -> list[Member]:
        """Return the models, each with its selection; the first has the run's seed."""
        labels = dataset.labels[split.train]
        counts = torch.bincount(labels, minlength=dataset.num_classes)
        most = int(self.ratio * counts[counts > 0].min())
        members = []
        for number in range(self.n):
            draw = context.draw.at(number)
            generator = draw.generator()
            mixed = split.train[torch.randperm(len(labels), generator=generator)]
            parts = [mixed[dataset.labels[mixed] == label][:most] for label in range(dataset.num_classes)]
            seed = context.draw.seed if number == 0 else draw.key & 0x7FFFFFFF
            members.append(Member(torch.cat(parts).sort().values, seed))
        return members
