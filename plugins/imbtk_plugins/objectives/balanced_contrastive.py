"""Balanced contrastive learning."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from imbtk import Criterion, RunContext, Strategy, hookimpl, option
from imbtk.authoring.draw import Draw
from imbtk.authoring.records import Batch, Objective, Outputs, Partner

__all__ = ["BalancedContrastive"]


class BalancedContrastive(Strategy):
    """Draw rows of a class together and classes apart, each alike however rare, beside a loss that knows their counts.

    Notes
    -----
    Each row is seen in two views, augmented apart: the batch's own and a partner's. Both go through a projection (two
    layers, to `dim` numbers) onto the unit sphere, where each class has a learnt prototype as well. With s_ij the
    cosine of view i with view or prototype j over the temperature, P_i those of its class but itself, and n_ij how many
    stand for the class of j, view i not counted, the contrastive loss of view i is

        -1/|P_i| Σ_(j ∈ P_i) ( s_ij - log Σ_(j ≠ i) e^s_ij / n_ij )

    Each class counts as one in the sum (class-averaging), and is there in each batch (class-complement). The mean over
    a row's two views is added, `weight` times, to the plan's own loss of the batch, in which logits get `tau` times the
    log of the class frequencies: that corrects the prior already, and class weights, balanced softmax or a balanced
    order on top are refused, unless tau=0.

    Zhu et al. classify a third view, and make the prototypes from the classifier's weights by a second projection: here
    they are learnt as they are, so that any head will do. Without `augment`, and for tables, both views are the same
    row. A mix changes the first view only; the class is that before mixing.

    When to use
    -----------
    On long tails of many classes of images, with `augment`, where a training may take twice as long.

    Cost
    ----
    Each row goes through the network twice: about twice the time and memory of a training. A prediction takes no
    longer.

    Not with
    --------
    ``--accumulate`` and several processes cut batches, of which it needs the whole: refused. So is `crt` in the same
    epochs, as over-correction; let one end where the other begins. `auc-margin` is not refused: written after, it takes
    the whole loss away, and written before, it never looks at τ.

    Evidence
    --------
    CIFAR-100-LT at an imbalance of 100: accuracy 53.9; ImageNet-LT: 57.2. Both are the authors', with three views and a
    schedule of their own, so that they are not to be held beside other strategies' figures. None was measured here.

    References
    ----------
    Zhu et al. 2022, "Balanced contrastive learning for long-tailed visual recognition": the balanced contrastive loss
    and logit compensation; defaults are those of its script for ImageNet-LT, `dim` that of its smaller networks.
    """

    whole_batch = True

    weight: float = option(0.35, "Factor on the contrastive loss, beside the plan's own.", ge=0)
    temperature: float = option(0.07, "What cosines are divided by: the smaller, the more the nearest count.", gt=0)
    tau: float = option(1.0, "Factor on the log frequencies added to logits in the loss; 0 adds none.", ge=0)
    dim: int = option(128, "Numbers that the projection gives for each view.", ge=1)

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Partner:
        """Return the order itself: a second view of each row."""

        def same(epoch: int, order: torch.Tensor, draw: Draw) -> torch.Tensor:
            return order

        return same

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion, context: RunContext) -> Criterion:
        """Return the criterion on logits plus τ·log of the class frequencies: here, so that the ledger knows of it."""
        if self.tau == 0:
            return criterion
        counts = context.class_counts.double()
        shift = (self.tau * (counts.clamp(min=1.0) / counts.sum()).log()).to(context.device)
        return lambda logits, target: criterion(logits + shift.to(logits), target)

    @hookimpl
    def imbtk_objective(self, objective: Objective, in_features: int, context: RunContext) -> Objective:
        """Return the plan's loss of each row plus the contrastive one."""
        contrast: Contrast = self.keep("contrast", lambda: Contrast(in_features, context.num_classes, self.dim))

        def with_contrast(
            outputs: Outputs, batch: Batch, *, partner: Batch | None = None, network: Any = None, features: Any = None
        ) -> torch.Tensor:
            losses = objective(outputs, batch)
            if partner is None:  # rows that another strategy chose beside the batch: they have no second view
                return losses
            views = torch.cat([features, network(partner.inputs, outputs=True).features])
            terms: torch.Tensor = contrast(views, batch.labels, self.temperature)
            return losses + self.weight * terms

        return with_contrast


class Contrast(nn.Module):
    """The contrastive loss of rows in two views, with what it learns: a projection and a prototype for each class."""

    def __init__(self, in_features: int, num_classes: int, dim: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            nn.Linear(in_features, in_features),
            nn.BatchNorm1d(in_features),
            nn.ReLU(),
            nn.Linear(in_features, dim),
        )
        self.prototypes = nn.Parameter(torch.randn(num_classes, dim))

    def forward(self, views: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
        """Return the loss of each row, (B,), for features of first and then second views (2B, D) and classes (B,)."""
        return self.loss(self.projection(views), labels, temperature)

    def loss(self, projected: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
        """Return the loss of each row, (B,), for projected views (2B, dim)."""
        number, num_classes = projected.shape[0], self.prototypes.shape[0]
        points = F.normalize(torch.cat([projected, self.prototypes]), dim=1)
        classes = torch.cat([labels, labels, torch.arange(num_classes, device=labels.device)])
        itself = torch.eye(number, points.shape[0], dtype=torch.bool, device=labels.device)
        own = (classes[:number, None] == classes) & ~itself
        s = points[:number] @ points.T / temperature
        standing = F.one_hot(classes, num_classes).sum(0)[classes] - own.long()
        rest = (s - standing.to(s).log()).masked_fill(itself, -torch.inf).logsumexp(1, keepdim=True)
        return -((s - rest) * own).sum(1).div(own.sum(1)).view(2, -1).mean(0)
