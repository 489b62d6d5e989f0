"""Repeat-factor sampling."""

from __future__ import annotations

import math

import torch

from imbtk import EpochOrder, RunContext, Strategy, hookimpl, option, order_by_class

__all__ = ["RepeatFactor"]


class RepeatFactor(Strategy):
    """Repeat the rows of classes rarer than a threshold, the more the rarer they are, and leave all others as they are.

    Notes
    -----
    With the share f_c of class c among the rows, an epoch shows a row of it

        r_c = max(1, √(t / f_c))

    times, where t is `threshold`. All epochs have the same number of rows, Σ_c r_c n_c rounded up; rare classes share
    what that adds, less than a row, so that their r_c grows a little (a single row of a class can be shown once more).
    What of it is not whole is rounded at random, anew in each epoch. Published for pictures with several objects, where
    r is the largest over the classes in a picture; here a row has one class.

    When to use
    -----------
    For hundreds of classes, of which few are very rare. With few classes none is rarer than one row in a thousand, and
    the default does nothing, which is said: take a threshold above the rarest class's share, or ``oversample``.

    Cost
    ----
    Longer epochs, by the rows that are repeated: Σ_c r_c n_c instead of N. Rows are repeated by index.

    Not with
    --------
    Another epoch order, which core refuses. Class weights on top of it correct rare classes twice, which the ledger
    counts.

    Evidence
    --------
    Published on LVIS, for detection and segmentation of more than a thousand classes, where t = 0.001 was chosen and
    rare classes gained most. Nothing published for one class to a picture is known here.

    References
    ----------
    Gupta, Dollár & Girshick 2019, "LVIS: a dataset for large vocabulary instance segmentation", appendix
    B.2 (the factor of a category, and rounding at random).
    """

    threshold: float = option(1e-3, "Share t of the rows below which a class is repeated.", gt=0, le=1)

    def notices(self, context: RunContext) -> tuple[str, ...]:
        """Say that no class is rare enough."""
        counts = context.class_counts
        rarest = int(torch.where(counts > 0, counts, counts.max() + 1).argmin())
        share = int(counts[rarest]) / int(counts.sum())
        if share < self.threshold:
            return ()
        return (
            f"'repeat-factor' has nothing to do: it repeats classes with a share of the rows below {self.threshold:g}, "
            f"and the rarest one, '{context.class_names[rarest]}', has {share:.3g}. Write a larger threshold, or take "
            "oversample.",
        )

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return the order of an epoch, with its class mass in closed form."""
        counts = torch.bincount(context.labels, minlength=context.num_classes)
        factors = (self.threshold * counts.sum() / counts.double().clamp(min=1)).sqrt().clamp(min=1.0)
        expected, repeated = factors * counts, factors > 1
        rows = float(expected[repeated].sum())
        expected[repeated] *= math.ceil(rows - 1e-6) / max(rows, 1.0)
        return order_by_class(context.labels, expected, replacement=False)
