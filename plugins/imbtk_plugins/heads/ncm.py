"""Nearest class mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

from imbtk import CosineHead, RunContext, Strategy, hookimpl, option
from imbtk.authoring.records import TrainingRows
from imbtk.errors import PlanError

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["NCM"]


class NCM(Strategy):
    """Throw the classifier away when training ends: a row is of the class whose mean its features point to.

    Notes
    -----
    With the features h_i of the training rows, of which n_c are of class c, the network then gives

        z_c(h) = s · cos(h, m_c),    m_c = (1 / n_c) Σ_(i of class c) h_i / ‖h_i‖

    Its argmax is the class nearest in Euclidean distance too, once features and means have length 1. Features are those
    in eval mode, without augmentation; each class has one mean, however many rows it comes from, so that no class is
    favoured for being frequent. The temperature of the calibration does the rest for s. Of several experts the features
    are looked at side by side, as one.

    Training is left alone, and may have any loss. What the network believes of class frequencies afterwards is near to
    all alike, but it is fitted to no loss, so that the ledger has no say: the calibration finds out on validation rows.

    Where this differs: the published code leaves means as short as scattered features make them, and takes the
    Euclidean distance to those (on digits at 1:20 it decides 0.3 % of the rows in another way); it can also centre
    features first, which no head that imbtk loads without a plugin can.

    When to use
    -----------
    To see what the features are worth without any classifier, and where rare classes have too few rows to train one.
    Where it is no worse than the head that it replaces, the head was the trouble.

    Cost
    ----
    One pass over the training rows when the window ends; with ``--early-stop`` one after each epoch that may be the
    best.

    Not with
    --------
    ``tau-norm``, ``lws`` and ``max-norm`` after it: cosines know no lengths. What trained the head is lost.

    Evidence
    --------
    Kang et al., ImageNet-LT, ResNeXt-50: 47.3 % of all and 28.1 % of the few-shot classes, beside 44.4 % and 7.7 % of
    joint training and 49.6 % and 27.4 % of a head trained anew (table of the published code, one run each).

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 4 (nearest class
    mean, with cosine similarity or the distance of normalised means).
    """

    scale: float = option(30.0, "Factor s on cosines: what probabilities start from, decisions do not change.", gt=0)

    def check_run(self, context: RunContext) -> None:
        """Refuse a class that has no row to make a mean of.

        Raises
        ------
        PlanError
            If there is one; it is named.
        """
        if missing := [n for n, c in zip(context.class_names, context.class_counts.tolist(), strict=True) if not c]:
            names = ", ".join(f"'{name}'" for name in missing)
            raise PlanError(
                f"'{self.name}' makes a mean of each class, and no training row is of {names}: split in another way "
                "(stratified-split), or leave the class out of the data."
            )

    def notices(self, context: RunContext) -> list[str]:
        """Say that corrected probabilities are not quite the posterior."""
        return [
            f"'{self.name}' leaves cosines, whose size knows nothing of how sure it is: "
            "probabilities remain a few percent off (docs/ledger.md)."
        ]

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows, context: RunContext) -> None:
        """Put the class means in the place of the head."""
        directions, labels = F.normalize(training.features(), dim=1), training.labels
        sums = directions.new_zeros(context.num_classes, directions.shape[1])
        sums.index_add_(0, labels.to(sums.device), directions)
        head = CosineHead(directions.shape[1], context.num_classes, self.scale)
        head.weight.data.copy_(sums / labels.bincount(minlength=context.num_classes).clamp(min=1).to(sums)[:, None])
        network.head = head.to(sums.device)
