"""Augmentation: every training image moved, turned and tinted anew each time it is shown."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, model_validator

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.errors import OptionError, PlanError, did_you_mean
from imbtk_plugins.augment.augment.batch import AugmentBatch, AugmentFunction
from imbtk_plugins.augment.augment.geometry import Fill, Interpolation
from imbtk_plugins.augment.augment.strengths import PRESETS, Strengths

__all__ = ["Augment"]

_COLOUR_ONLY = ("saturation", "hue", "stain")
"""What grey images do not have."""


def _as_names(value: object) -> object:
    """Let one name stand for a list of one, and take digits for names: ``classes=[8, 9]``."""
    if isinstance(value, (str, int)):
        value = [value]
    return [str(name) for name in value] if isinstance(value, (list, tuple)) else value


class Augment(Strategy):
    """Change each training image at random: moved, turned, mirrored, tinted, partly erased.

    Notes
    -----
    Each sample of a batch has parameters of its own, uniform within the ranges, and they depend on the seed, the epoch
    and the sample's place in the epoch alone. An option that is not given has the value of the preset:

    ========= ======== ===== ===== ===== =================== ======= ==========================================
    preset    rotation shift zoom  shear mirrored            fill    colour
    ========= ======== ===== ===== ===== =================== ======= ==========================================
    digits    ±10°     ±0.1  ±0.1  ±5°   no                  nearest no
    photo     ±10°     ±0.1  ±0.1  no    left-right          reflect no
    histology no       no    ±0.1  no    both, quarter turns reflect brightness ±0.05, contrast and saturation
                                                                     ±0.1, stain 0.05
    classic   ±20°     ±0.2  ±0.2  ±0.2° left-right          nearest no
    none      no       no    no    no    no                  nearest no
    ========= ======== ===== ===== ===== =================== ======= ==========================================

    ``auto`` takes the one for what the images show. ``classic`` is the customary Keras recipe ``rotation_range=20,
    width_shift_range=0.2, height_shift_range=0.2, shear_range=0.2, zoom_range=0.2, horizontal_flip=True``: Keras counts
    shear in degrees, as torchvision and this strategy do, so its 0.2 is next to nothing. (Keras zooms width and height
    apart; here the aspect is kept.)

    A pixel comes from the place ``T(shift) R(rotation) Sh(shear) zoom`` of the input, seen from the centre (Simard et
    al. 2003, section 2), in one 2×3 matrix per sample with mirroring and turns. ``reflect`` repeats the edge pixel, as
    in Keras. Images that are not square get half turns instead of quarter turns. Colour comes first, then geometry,
    then erasing; values stay in [0, 1].

    The jitter of stain multiplies the amounts of haematoxylin, eosin and residual by 1 ± `stain` and adds ± `stain` in
    units of optical density (Tellez et al. 2018, section on stain augmentation), with the stain vectors of Ruifrok &
    Johnston (2001). Erasing puts a rectangle of the image's own mean colour, with a height from 0.3 to 3.3 widths, at a
    place that is always inside (Zhong et al. 2020, Algorithm 1, draws again instead, and prefers noise).

    A sample of class c is changed with the chance ``probability · (n_min / n_c) ** rarity``: n_c are the training rows
    of the class before resampling, n_min those of the rarest augmented class; otherwise it is shown as it is. Classes
    that `classes` does not name are shown as they are.

    When to use
    -----------
    On images nearly always, the more so the fewer there are. What would change the class must stay out: say
    ``preset=none`` and the options that do not.

    Cost
    ----
    Processor time for each image. Beside ``class-weights``, trainings that ended by themselves took 4.5 instead of 4.2
    s (digits), 42 instead of 35 s (BreakHis) and 121 instead of 46 s (IDC; ``docs/defaults.md``).

    Not with
    --------
    Tables are refused, and so are `saturation`, `hue` and `stain` of grey images. Nothing notices a mirror image that
    means something else, as of a chest X-ray under ``preset=photo``: say ``horizontal_flip=false``.

    Evidence
    --------
    Balanced accuracy of ``class-weights augment`` beside ``class-weights`` (``docs/defaults.md``, 2 × 5 folds): 0.973
    and 0.937 (digits at 1:20), 0.811 and 0.802 (IDC), 0.892 and 0.843 (BreakHis). The differences between the two were
    not tested.

    References
    ----------
    Simard, Steinkraus & Platt (2003), Best practices for convolutional neural networks applied to visual document
    analysis, ICDAR, section 2.

    Ruifrok & Johnston (2001), Quantification of histochemical staining by color deconvolution, Analytical and
    Quantitative Cytology and Histology 23(4), 291–299: the matrix of stain vectors.

    Tellez et al. (2018), Whole-slide mitosis detection in H&E breast histology using PHH3 as a reference to train
    distilled stain-invariant convolutional networks, IEEE Transactions on Medical Imaging 37(9), 2126–2136.

    Tellez et al. (2019), Quantifying the effects of data augmentation and stain color normalization in convolutional
    neural networks for computational pathology, Medical Image Analysis 58, 101544.

    Zhong, Zheng, Kang, Li & Yang (2020), Random erasing data augmentation, AAAI, Algorithm 1.
    """

    preset: Literal["auto", "digits", "photo", "histology", "classic", "none"] = option(
        "auto", "Where the values of all options that are not given come from; auto goes by what the images show."
    )
    rotation: float | None = option(None, "Largest rotation, in degrees, both ways.", ge=0, le=180)
    shift: float | None = option(None, "Largest shift, as a fraction of width and height, all ways.", ge=0, le=1)
    zoom: float | None = option(None, "Largest change of size: 0.2 shows things 0.8 to 1.2 times.", ge=0, lt=1)
    shear: float | None = option(None, "Largest shear along x, in degrees (not radians), both ways.", ge=0, lt=90)
    horizontal_flip: bool | None = option(None, "Change left and right in half of the images.")
    vertical_flip: bool | None = option(None, "Change top and bottom in half of the images.")
    quarter_turns: bool | None = option(None, "Turn by 0, 90, 180 or 270 degrees.")
    fill: Fill | None = option(None, "What lies outside an image: its nearest pixel, its reflection, one value.")
    fill_value: float | None = option(None, "The value for fill=constant, 0 black to 1 white.", ge=0, le=1)
    interpolation: Interpolation | None = option(None, "Take the nearest pixel, or blend four.")
    brightness: float | None = option(None, "Largest change of brightness: 0.1 multiplies by 0.9 to 1.1.", ge=0, le=1)
    contrast: float | None = option(None, "Largest change of contrast, a factor about the mean luma.", ge=0, le=1)
    saturation: float | None = option(None, "Largest change of saturation, as a factor.", ge=0, le=1)
    hue: float | None = option(None, "Largest shift of hue, as a fraction of the circle, both ways.", ge=0, le=0.5)
    stain: float | None = option(None, "Jitter of H&E stain: factor 1 ± this, and ± this in density.", ge=0, le=1)
    erase: float | None = option(None, "Chance of erasing a rectangle.", ge=0, le=1)
    erase_area: tuple[float, float] | None = option(None, "Its least and greatest area, as fractions of the image.")
    probability: float = option(1.0, "Chance that an image of the rarest class is changed at all.", ge=0, le=1)
    classes: Annotated[tuple[str, ...] | None, BeforeValidator(_as_names)] = option(
        None, "Names of the classes to augment; all unless given."
    )
    rarity: float = option(0.0, "Augment frequent classes less: chance times (n_min / n_c) to this power.", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Augment:
        if self.classes == ():
            raise ValueError("'classes' names no class; leave it out to augment all of them")
        if self.erase_area is not None and not 0 < self.erase_area[0] <= self.erase_area[1] <= 1:
            raise ValueError("'erase_area' is [least, greatest], fractions of the image above 0 and at most 1")
        return self

    @hookimpl
    def imbtk_augment(self, augment: AugmentFunction, context: RunContext) -> AugmentFunction:
        """Augment each batch, after the strategies before; no image is changed in place."""
        if context.kind == "table":
            raise PlanError(
                "strategy 'augment' moves and tints images, and these data are a table. Leave it out; 'resample' with "
                "method=SMOTE makes up new rows of tables."
            )
        strengths = self.strengths(context)
        chance = self.chance_per_class(context)
        if strengths == Strengths():
            return augment
        return AugmentBatch(augment, strengths, None if bool((chance == 1).all()) else chance)

    def strengths(self, context: RunContext) -> Strengths:
        """Return the preset for these images, with the options that were given put over it.

        Raises
        ------
        OptionError
            If an option that needs colour was given and the images are grey.
        """
        name = self.preset
        if name == "auto":
            name = context.domain if context.domain in PRESETS else "photo"  # type: ignore[assignment]
        fields = [field.name for field in dataclasses.fields(Strengths)]
        given: dict[str, Any] = {field: getattr(self, field) for field in fields if getattr(self, field) is not None}
        strengths = dataclasses.replace(PRESETS[name], **given)
        channels = context.sample_shape[0] if len(context.sample_shape) == 3 else 3
        if channels == 3:
            return strengths
        for field in _COLOUR_ONLY:
            if given.get(field):
                raise OptionError(
                    f"option '{field}' of strategy 'augment' needs colour images (3 channels), and these have "
                    f"{channels}. Leave it out; brightness and contrast work on any image."
                )
        return dataclasses.replace(strengths, saturation=0.0, hue=0.0, stain=0.0)

    def chance_per_class(self, context: RunContext) -> torch.Tensor:
        """Return the chance that an image of each class is changed, (K,) float32.

        Raises
        ------
        OptionError
            If `classes` names a class that the data do not have.
        """
        names = context.class_names
        for name in self.classes or ():
            if name not in names:
                raise OptionError(
                    f"option 'classes' of strategy 'augment' names the class '{name}', which the data do not have."
                    + did_you_mean(name, names)
                )
        chosen = torch.tensor([self.classes is None or name in self.classes for name in names])
        counts = context.natural_counts.double().cpu()
        present = counts[chosen & (counts > 0)]
        rarest = present.min() if len(present) else counts.new_tensor(1.0)
        share = (rarest / counts.clamp(min=1)).clamp(max=1).pow(self.rarity)
        return (share * self.probability * chosen).float().to(context.device)
