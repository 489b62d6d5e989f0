"""Nearest class mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from imbtk import CosineHead, RunContext, Strategy, TrainingRows, hookimpl, option

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["NCM"]


class NCM(Strategy):
    """Decide for the class whose mean features are nearest, however many rows it has; the head is not trained for it.

    Notes
    -----
    When training ends the head becomes

        z_c = s · cos(h, μ_c),    μ_c = mean of h / ‖h‖ over the training rows of class c,

    so the largest logit is that of the nearest mean of normalised features. Nothing in it counts rows: it decides as if
    classes were equally frequent. The scale s makes logits as large as those of other heads; it changes no decision,
    and probabilities are fitted on validation rows.

    When to use
    -----------
    To see what the features are worth without a head, and with a handful of rows in the rare class.

    Cost
    ----
    One pass over the training rows when training ends.

    Not with
    --------
    What makes or scales the head at the end: whoever comes last decides. Class weights and orders change the features
    alone beside it.

    Evidence
    --------
    Kang et al. 2020 find it below ``crt`` and ``tau-norm`` on ImageNet-LT, and above the plain head on its rare
    classes.

    References
    ----------
    Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition", section 4.1 (NCM).
    """

    scale: float = option(10.0, "Factor s on the cosine, without unit.", gt=0)

    @hookimpl
    def imbtk_finish(self, network: Network, training: TrainingRows, context: RunContext) -> None:
        """Put class means in the place of the head."""
        features = F.normalize(training.features().double(), dim=1)
        labels = training.labels.to(features.device)
        sums = features.new_zeros(context.num_classes, features.shape[1]).index_add_(0, labels, features)
        counts = torch.bincount(labels, minlength=context.num_classes).clamp(min=1)
        head = CosineHead(features.shape[1], context.num_classes, self.scale)
        with torch.no_grad():
            head.weight.copy_(sums / counts[:, None])
        network.head = head.to(features.device)
