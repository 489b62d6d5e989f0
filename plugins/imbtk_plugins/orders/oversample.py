"""Oversampling by the order of each epoch."""

from __future__ import annotations

import torch

from imbtk import EpochOrder, EpochSize, RunContext, Strategy, expected_rows, hookimpl, option, order_by_class

__all__ = ["Oversample"]


class Oversample(Strategy):
    """Show rare classes more often, by default all classes equally often.

    Notes
    -----
    An epoch shows class c with probability

        p_c = n_c^q / Σ_j n_j^q

    where q is `power`: 1 is instance-balanced (every row alike), ½ square-root, 0 class-balanced sampling.
    ``epoch_size=auto`` shows the largest class once and n_max · (n_c / n_max)^q rows of class c, rounded: none less
    often than its rows are, and K · n_max rows in all at q = 0. Without replacement the rows of a class are shown
    equally often, give or take one; with replacement each is drawn by itself, as a weighted random sampler does. Where
    p_c · M is not whole, class c has now the whole number below, now the one above, with the right mean. Rows are
    repeated by index: nothing is copied. An epoch is drawn at once from (seed, epoch).

    When to use
    -----------
    Where a batch would hardly show a row of the rare class. From the first epoch on with few classes; with many in the
    last epochs alone, ``oversample@80%-``.

    Cost
    ----
    An epoch is as much longer as it has more rows: K · n_max instead of N. ``epoch_size=1x`` keeps it as long as
    without.

    Not with
    --------
    `class-weights`, `balanced-softmax`, `logit-adjust` and `balanced-contrastive` correct the same frequencies: in the
    same epochs that is refused as over-correction, while halves (``power=0.5`` with ``class-weights:scheme=sqrt``)
    pass. `undersample` and `crt` bring an order too, and there is one at a time.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT at an imbalance of 100, ResNet-32 (BagofTricks-LT, best test epoch): accuracy 72.5 / 35.2
    from the first epoch on, 75.1 / 40.6 deferred, beside 70.4 / 38.3 of the plain network. On two Gaussians at 1:100
    (``docs/ledger.md``) it raised the sensitivity of the rare class from 0.08 to 0.84 (``linear``) and from 0.03 to
    0.84 (``mlp``).

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 3, eq. 1.
    """

    power: float = option(0.0, "Exponent q on class counts: 0 balanced, 0.5 square root, 1 as they are.", ge=0, le=1)
    replacement: bool = option(False, "Whether each row of an epoch is drawn by itself, so that rows may be left out.")
    epoch_size: EpochSize = option(
        "auto", "Rows in an epoch: auto (the largest class once), a number of rows, or a multiple such as 0.5x."
    )

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return the order of an epoch, with its class mass in closed form."""
        counts = torch.bincount(context.labels, minlength=context.num_classes)
        expected = expected_rows(counts, self.power, self.epoch_size, whole=float(counts.max()))
        return order_by_class(context.labels, expected, self.replacement)
