"""Class-dependent temperatures."""

from __future__ import annotations

import torch

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.losses import at_least_float32

__all__ = ["CDT"]


class CDT(Strategy):
    """Divide the logit of a class by a temperature that grows with its rarity, in the loss alone.

    Notes
    -----
    With n_c rows of class c and logits f, the loss is cross-entropy, or any criterion that is chosen, on

        f_c / a_c,  a_c = (n_max / n_c)^γ

    so that the logit of a rare class must grow larger to satisfy its training rows. Decisions look at f: features of
    rare classes, which are weaker on new rows than on those that were trained on, are given that lead back. γ = 0
    changes nothing. A class without a row counts as one row: all temperatures stay finite.

    With two classes temperatures of single logits would leave decisions alone, since the two logits stay in proportion:
    there all logits of a sample of class y are divided by a_y, as Kini et al. do, by the mean for a mixed target.

    The lead comes late, from rows that are fitted. Early in training temperatures harm the rare class, as Kini et al.
    find for linear classifiers (`vs-loss` adds a shift against that); so does a model without features, and that is
    what the ledger shows, an index below 0. As scales are no shifts, the calibration trusts validation rows more than
    the ledger.

    When to use
    -----------
    For networks that come to fit every training row, with many times fewer rows of some classes. The authors pick γ
    from 0 to 0.4 for CIFAR-10, to 0.2 for CIFAR-100 and to 0.1 for iNaturalist: less where there are more classes.

    Cost
    ----
    None that can be measured, in time or memory; γ wants tuning.

    Not with
    --------
    `vs-loss`, which has these temperatures in it. Not for linear models on rows that they cannot separate, where it
    makes the rare class rarer.

    Evidence
    --------
    CIFAR-10-LT / CIFAR-100-LT, 1:100, ResNet-32, accuracy: 77.1 / 39.6 beside 70.4 / 38.3 in the gallery of
    BagofTricks-LT, γ = 0.2; an earlier state of it has 74.9 / 40.1 beside 69.9 / 38.2.

    References
    ----------
    Ye et al. 2020, "Identifying and compensating for feature deviation in imbalanced deep learning", class-dependent
    temperatures. Kini et al. 2021, "Label-imbalanced and group-sensitive classification under overparameterization":
    two classes.
    """

    gamma: float = option(0.2, "Exponent γ of the temperature, without unit: 0 changes nothing.", ge=0)

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on logits over their temperatures, at least float32."""
        counts = context.class_counts.double().clamp(min=1.0).to(context.device)
        scale = (counts / counts.max()) ** self.gamma

        def tempered(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            wide = at_least_float32(logits)
            # Two scaled logits stay in proportion, and decisions with them: there the scale is that of the own class.
            factor = scale.to(wide) if len(scale) > 2 else target.to(wide) @ scale.to(wide)[:, None]
            return criterion(wide * factor, target)

        return tempered
