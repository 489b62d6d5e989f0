"""Test-time augmentation."""

from __future__ import annotations

from typing import Literal

from imbtk import RunContext, Strategy, View, hookimpl, option
from imbtk.errors import PlanError

__all__ = ["TTA"]

_LOOKS = {
    "mirrored": [View(), View(mirror=True)],
    "flips": [View(), View(mirror=True), View(turns=2), View(mirror=True, turns=2)],
    "all": [View(mirror, turns) for mirror in (False, True) for turns in range(4)],
}
_OF_DOMAIN = {"histology": "all", "photo": "mirrored"}


class TTA(Strategy):
    """Predict the mean over mirrored and turned looks at each image, where directions mean nothing.

    Notes
    -----
    With the looks T_v of an image x and the trained logits f,

        z(x) = (1/V) Σ_v f(T_v x)

    ``mirrored`` is x and its mirror image, ``flips`` has both upside down too, and ``all`` the eight that mirroring and
    quarter turns make, four for images that are not square. ``auto`` takes all of them for histology, where no
    direction means anything, and the mirror image otherwise; for digits it refuses, since a mirrored 2 is no digit.
    Logits are averaged rather than probabilities: that commutes with every shift of the class prior. Calibration,
    thresholds and tests are made on the same kind of prediction; epochs are validated on images as they are.

    When to use
    -----------
    Whenever the training augments by the same changes, and a prediction may take longer. Where it does not, the network
    has never seen such looks: enable ``augment`` too.

    Cost
    ----
    A prediction takes V times as long, 2 to 8; training takes no longer.

    Not with
    --------
    Images in which a direction means something: letters, the side of the heart in a chest X-ray (``mirrored`` shows it
    on the other side).

    Evidence
    --------
    Usual among winners of imbalanced medical challenges (SIIM-ISIC, RSNA mammography), never measured alone there. Its
    gain is an average over errors that differ: small where the training has made the network indifferent already.

    References
    ----------
    Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks", section 4.1
    (mean over ten crops and mirror images, of probabilities). Cohen & Welling 2016, "Group equivariant convolutional
    networks", section 4 (the group p4m of these eight).
    """

    looks: Literal["auto", "mirrored", "flips", "all"] = option("auto", "Which looks at an image are averaged.")

    @hookimpl
    def imbtk_views(self, context: RunContext) -> list[View]:
        """Return the looks.

        Raises
        ------
        PlanError
            For a table, and for digits unless the looks are named.
        """
        if context.kind != "images":
            raise PlanError("strategy 'tta' mirrors and turns images, and these data are a table. Leave it out.")
        if self.looks == "auto" and context.domain == "digits":
            raise PlanError(
                "strategy 'tta' mirrors images, and these are digits, which are others in a mirror. Leave it out, or "
                "say which looks mean the same: tta:looks=flips."
            )
        looks = _LOOKS[_OF_DOMAIN.get(context.domain, "mirrored") if self.looks == "auto" else self.looks]
        square = context.sample_shape[-1] == context.sample_shape[-2]
        return [view for view in looks if square or view.turns % 2 == 0]
