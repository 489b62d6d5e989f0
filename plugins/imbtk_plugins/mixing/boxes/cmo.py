"""Context-rich minority oversampling."""

from __future__ import annotations

from collections.abc import Callable

import torch

from imbtk import Draw, RunContext, Strategy, expected_rows, hookimpl, option, order_by_class
from imbtk.authoring.records import Batch, Partner
from imbtk.errors import DataError
from imbtk_plugins.mixing.boxes.geometry import boxes

__all__ = ["CMO"]


class CMO(Strategy):
    """Paste boxes cut from images of rare classes into ordinary images, so that rare classes are seen in many settings.

    Notes
    -----
    With probability p an image x of H × W pixels becomes, in a box M of it,

        x̃ = x outside of M and x_Q in M,    t̃ = λ t + (1 - λ) t_Q,    λ = 1 - |M| / (H W),

    where (x_Q, t_Q) is a row drawn with probability ∝ 1 / n_c^r. The box is that of CutMix: sides H √(1 - u) and
    W √(1 - u), u ~ Beta(β, β), around a pixel anywhere in the image, cut off at the edges, λ from what is left. In the
    first and last `off_epochs` epochs of the window nothing is pasted (in short ones in a quarter of the epochs at
    each end); the paper has 3 and 3, and its code 4 and 3, since it counts from 0 and begins after epoch 3.

    In the authors' code it is rows that are drawn ∝ 1 / n_c^r, so that at r = 1 classes come equally often, and so it
    is here; if classes shall be drawn ∝ 1 / n_c, rarer ones more often than others, that is r = 2. Their code decides
    once for a batch, with one box; here each image has its own.

    When to use
    -----------
    On images in which the object fills much of the picture, and the rare class is always seen before the same few
    backgrounds.

    Cost
    ----
    A second image is fetched and augmented for each; the network sees no more images than without.

    Not with
    --------
    Tables are refused. `balanced-mixup` mixes too, and there is one mix at a time. Small findings: a box may miss the
    lesion, and its share of the label is counted all the same.

    Evidence
    --------
    The authors' figures were not repeated here, and none was measured.

    References
    ----------
    Park et al. 2022, "The majority can help the minority: context-rich minority oversampling for long-tailed
    classification", section 3 (sampling, pasting, Algorithm 1), and https://github.com/naver-ai/cmo.

    Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable features",
    section 3.1 (the box).
    """

    probability: float = option(0.5, "Chance that an image gets a box.", ge=0, le=1)
    power: float = option(1.0, "Exponent r: a row is drawn ∝ 1/n_c^r; 0 draws rows alike, 1 classes alike.", ge=0)
    beta: float = option(1.0, "β of Beta(β, β), from which the area of the box comes; 1 is uniform.", gt=0)
    off_epochs: int = option(3, "Epochs without boxes at each end of the window, a quarter of it at most.", ge=0)

    def check_run(self, context: RunContext) -> None:
        """Refuse tables.

        Raises
        ------
        DataError
            If samples are no images.
        """
        if context.kind != "images":
            raise DataError("'cmo' pastes boxes of images, and a table has none: take balanced-mixup, or oversample.")

    @hookimpl
    def imbtk_partner(self, context: RunContext) -> Partner:
        """Return ``order -> partners``, each row drawn by itself, ∝ 1 / n_c^r."""
        counts = torch.bincount(context.labels, minlength=context.num_classes)

        def rare(epoch: int, order: torch.Tensor, draw: Draw) -> torch.Tensor:
            expected = expected_rows(counts, 1.0 - self.power, order.shape[0], whole=1.0)
            return order_by_class(context.labels, expected, replacement=True).draw_epoch(epoch, draw)

        return rare

    @hookimpl
    def imbtk_mix(self, context: RunContext) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
        """Return what pastes a box of its partner into each image that gets one."""
        window = context.window
        off = min(self.off_epochs, window.epochs // 4)
        first, last = window.start + off, window.stop - off

        def paste(
            images: torch.Tensor, target: torch.Tensor, draw: Draw, *, partner: Batch, epoch: int
        ) -> tuple[torch.Tensor, torch.Tensor]:
            if not first <= epoch < last:
                return images, target
            box = boxes(images.shape[2], images.shape[3], draw, self.beta).to(images.device)
            box &= (draw.uniform() < self.probability)[:, :, None]
            # The share of what is left after the edges cut the box off.
            share = box.flatten(1).float().mean(dim=1, keepdim=True)
            return torch.where(box[:, None], partner.inputs, images), torch.lerp(target, partner.target, share)

        return paste
