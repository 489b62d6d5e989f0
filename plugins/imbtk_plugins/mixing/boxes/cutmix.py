"""CutMix."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk import Draw, RunContext, Strategy, hookimpl, option, shuffled
from imbtk.authoring.records import Batch, Partner
from imbtk.errors import DataError
from imbtk_plugins.mixing.boxes.geometry import boxes

__all__ = ["Cutmix"]


class Cutmix(Strategy):
    """Paste a box of another image into each image, and let the target be of both by their areas.

    Notes
    -----
    With another image (x_b, t_b) of the epoch, an image x of H × W pixels becomes, in a box M of it,

        x̃ = x outside of M and x_b in M,    t̃ = λ t + (1 - λ) t_b,    λ = 1 - |M| / (H W).

    The sides of the box are H √(1 - u) and W √(1 - u), u ~ Beta(α, α), around a pixel anywhere in the image; edges cut
    it off, and λ is from what is left. The authors' code draws one box for a batch, here each image has its own.

    When to use
    -----------
    On images of objects, where a part tells the class too, and training goes on long enough to learn them by heart. For
    rare classes see ``cmo``, which pastes these alone.

    Cost
    ----
    None to speak of in time; the second images are augmented too. Networks learn more slowly, so give more epochs.

    Not with
    --------
    Another mix in the same epochs: refused.

    Evidence
    --------
    Yun et al. 2019 report gains on balanced CIFAR and ImageNet; for long tails it is what ``cmo`` is compared with.

    References
    ----------
    Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable features",
    section 3.1, eq. 1 and 2.
    """

    alpha: float = option(1.0, "α of Beta(α, α), from which the area of the box comes; 1 is uniform.", gt=0)
    probability: float = option(1.0, "Chance that an image gets a box.", ge=0, le=1)

    def check_run(self, context: RunContext) -> None:
        """Refuse tables.

        Raises
        ------
        DataError
            If samples are no images.
        """
        if context.kind != "images":
            raise DataError("'cutmix' pastes boxes of images, and a table has none: take mixup.")

    @hookimpl
    def imbtk_partner(self) -> Partner:
        """Return ``order -> partners``: the same rows, in another order."""
        return shuffled

    @hookimpl
    def imbtk_mix(self) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
        """Return what pastes a box of its partner into each image that gets one."""

        def paste(
            images: torch.Tensor, target: torch.Tensor, draw: Draw, *, partner: Batch
        ) -> tuple[torch.Tensor, torch.Tensor]:
            box = boxes(images.shape[2], images.shape[3], draw, self.alpha).to(images.device)
            box &= (draw.uniform() < self.probability)[:, :, None]
            share = box.flatten(1).float().mean(dim=1, keepdim=True)
            return torch.where(box[:, None], partner.inputs, images), torch.lerp(target, partner.target, share)

        return paste
