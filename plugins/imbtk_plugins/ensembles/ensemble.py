"""An ensemble of models of one plan."""

from __future__ import annotations

from typing import Literal

import torch

from imbtk import Dataset, GroupPool, Member, RunContext, Split, Strategy, hookimpl, option

__all__ = ["Ensemble"]


class Ensemble(Strategy):
    """Train several models of the same plan and predict the mean of their logits.

    Notes
    -----
    With n models f_i,

        z(x) = (1/n) Σ_i f_i(x)

    With ``over=seeds`` all learn from the same rows and differ by their seed: initial weights, orders, draws. With
    ``over=folds`` training and validation rows are dealt into n folds, whole groups (patients) with like shares of each
    class, and each model learns from all but one. Each row is then new to one model: probabilities and thresholds are
    fitted on out-of-fold predictions of all these rows instead of the few validation rows, and no row is lost to
    validation. A temperature that was fitted so comes from single models, which are a little less sure than their mean
    is right to be.

    When to use
    -----------
    When a prediction may take n times as long: it is the surest gain there is. ``over=folds`` where patients are few
    and a decision floor has to be fitted.

    Cost
    ----
    n trainings, n times the memory of the saved model and the time of a prediction.

    Not with
    --------
    Nothing known. ``undersample`` beside it gives each model other rows of the frequent class: see ``bagging``.

    Evidence
    --------
    Buchanan et al. 2023 find that ensembles over seeds beat the usual remedies for imbalance on long-tailed image sets.
    Every winner of the SIIM-ISIC and RSNA mammography challenges was one, over four or five folds.

    References
    ----------
    Lakshminarayanan, Pritzel & Blundell 2017, "Simple and scalable predictive uncertainty estimation using deep
    ensembles", section 2.4 (by seed; they average probabilities). Breiman 1996, "Stacked regressions", section 2
    (out-of-fold predictions). Buchanan et al. 2023, "The effects of ensembling on long-tailed data".
    """

    n: int = option(5, "Number of models.", ge=1, le=100)
    over: Literal["seeds", "folds"] = option(
        "seeds", "Whether models differ by seed alone, or each leaves out a fold of training and validation rows too."
    )

    @hookimpl
    def imbtk_members(self, dataset: Dataset, split: Split, context: RunContext) -> list[Member]:
        """Return the models; the first has the run's seed.

        Raises
        ------
        DataError
            If a class has fewer groups (or rows) than there are folds.
        """
        seeds = [context.draw.seed, *(context.draw.at(i).key & 0x7FFFFFFF for i in range(1, self.n))]
        if self.over == "seeds" or self.n == 1:
            return [Member(split.train, seed) for seed in seeds]
        known = torch.cat([split.train, split.validation]).sort().values.numpy()
        folds = GroupPool(dataset, known).folds(self.n, 1, context.draw.numpy())
        parts = [torch.from_numpy(rest).sort().values for rest, _ in folds]
        return [Member(train, seed) for train, seed in zip(parts, seeds, strict=True)]
