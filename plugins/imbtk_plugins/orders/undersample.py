"""Undersampling by the order of each epoch."""

from __future__ import annotations

import torch

from imbtk import EpochOrder, EpochSize, RunContext, Strategy, expected_rows, hookimpl, option, order_by_class
from imbtk.errors import OptionError

__all__ = ["Undersample"]


class Undersample(Strategy):
    """Show fewer rows of frequent classes, others in each epoch, by default all classes equally often.

    Notes
    -----
    An epoch shows class c with probability

        p_c = n_c^q / Σ_j n_j^q

    where q is `power`: 1 leaves the rows as they are, ½ is square-root, 0 class-balanced sampling. ``epoch_size=auto``
    shows the rarest class whole and n_min · (n_c / n_min)^q rows of class c, rounded: K · n_min rows at q = 0. Without
    replacement no row stands twice in an epoch, and every epoch draws a fresh subset, so that no row is lost for good.
    Epochs are short: it takes more of them for as many steps. An epoch is drawn at once from (seed, epoch).

    When to use
    -----------
    Where the frequent class has many times more rows than it takes to know it, and time is short.

    Cost
    ----
    None: an epoch takes K · n_min / N of the time of a plain one.

    Not with
    --------
    `class-weights`, `balanced-softmax`, `logit-adjust` and `balanced-contrastive` correct the same frequencies: in the
    same epochs that is refused as over-correction. `oversample` and `crt` bring an order too, and there is one at a
    time. `bagging` and ``resample`` may leave equal counts, of which there is nothing to leave out.

    Evidence
    --------
    No figure for networks is known to us, and none was measured here. For ensembles of trees on tables see `bagging`.

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 3, eq. 1 (p_c).
    Liu, Wu & Zhou 2009, "Exploratory undersampling for class-imbalance learning", section III-A (EasyEnsemble: a fresh
    subset each time).
    """

    power: float = option(0.0, "Exponent q on class counts: 0 balanced, 0.5 square root, 1 as they are.", ge=0, le=1)
    replacement: bool = option(False, "Whether each row of an epoch is drawn by itself, so that rows may stand twice.")
    epoch_size: EpochSize = option(
        "auto", "Rows in an epoch: auto (the rarest class once), a number of rows, or a multiple such as 0.5x."
    )

    @hookimpl
    def imbtk_epoch_order(self, context: RunContext) -> EpochOrder:
        """Return the order of an epoch, with its class mass in closed form.

        Raises
        ------
        OptionError
            If `epoch_size` asks for more rows of a class than it has, without replacement.
        """
        counts = torch.bincount(context.labels, minlength=context.num_classes)
        expected = expected_rows(counts, self.power, self.epoch_size, whole=float(counts[counts > 0].min()))
        if not self.replacement:
            self._check_enough(counts, expected, context.class_names)
        return order_by_class(context.labels, expected, self.replacement)

    def _check_enough(self, counts: torch.Tensor, expected: torch.Tensor, class_names: tuple[str, ...]) -> None:
        excess = expected - counts
        worst = int(excess.argmax())
        if excess[worst] > 1e-6:
            most = int((expected.sum() * (counts / expected)[expected > 0].min() + 1e-6).floor())
            raise OptionError(
                f"option 'epoch_size' of strategy '{self.name}' (given: {self.epoch_size!r}) asks for "
                f"{float(expected[worst]):.4g} rows of class '{class_names[worst]}' in an epoch, which has "
                f"{int(counts[worst])}. With power={self.power:g} an epoch can show at most {most} rows without "
                "repeating one: lower epoch_size, set replacement=true, or use -s oversample."
            )
