"""How far augmentation goes: the strengths of every kind of change, and the presets."""

from __future__ import annotations

from dataclasses import dataclass

from imbtk_plugins.augment.augment.geometry import Fill, Interpolation

__all__ = ["PRESETS", "Strengths"]


@dataclass(frozen=True)
class Strengths:
    """How far each change goes, 0 or False for not at all; units as in the options of :class:`Augment`."""

    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    quarter_turns: bool = False
    fill: Fill = "nearest"
    fill_value: float = 0.0
    interpolation: Interpolation = "bilinear"
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    stain: float = 0.0
    erase: float = 0.0
    erase_area: tuple[float, float] = (0.02, 0.2)

    @property
    def moves(self) -> bool:
        """Whether pixels get between pixels; mirroring and quarter turns only swap them."""
        return bool(self.rotation or self.shift or self.zoom or self.shear)

    @property
    def mirrors(self) -> bool:
        """Whether images are mirrored or turned by quarters."""
        return self.horizontal_flip or self.vertical_flip or self.quarter_turns

    @property
    def tints(self) -> bool:
        """Whether colours change."""
        return any((self.brightness, self.contrast, self.saturation, self.hue, self.stain))


PRESETS: dict[str, Strengths] = {
    "none": Strengths(),
    "digits": Strengths(rotation=10, shift=0.1, zoom=0.1, shear=5),
    "photo": Strengths(rotation=10, shift=0.1, zoom=0.1, horizontal_flip=True, fill="reflect"),
    "histology": Strengths(
        zoom=0.1,
        horizontal_flip=True,
        vertical_flip=True,
        quarter_turns=True,
        fill="reflect",
        brightness=0.05,
        contrast=0.1,
        saturation=0.1,
        stain=0.05,
    ),
    "classic": Strengths(rotation=20, shift=0.2, zoom=0.2, shear=0.2, horizontal_flip=True),
}
