"""Augmentation of one batch: numbers to parameters, parameters to images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from imbtk import Draw
from imbtk_plugins.augment.augment.colour import adjust_colour, erase, jitter_stain, shift_hue
from imbtk_plugins.augment.augment.geometry import inverse_affine, mirror_and_turn, warp
from imbtk_plugins.augment.augment.strengths import Strengths

__all__ = ["AugmentBatch", "AugmentFunction"]

AugmentFunction = Callable[[torch.Tensor, torch.Tensor, Draw], torch.Tensor]
"""``(images (B, C, H, W), target (B, K), draw) -> images``: a link of the chain."""

_LONGEST = -math.log(0.3)
"""Log of the most that an erased rectangle is longer than wide, or wider than long (Zhong et al. 2020: r1 = 0.3)."""


def _ranges(strengths: Strengths) -> np.ndarray:
    """Return the centre and the reach to both sides of each number that a sample draws, (2, 24) float64.

    Each option has numbers of its own, used or not: to change one option does not reshuffle the others.
    """
    share = (0.5, 0.5)
    least, greatest = strengths.erase_area
    numbers = [
        (0, math.radians(strengths.rotation)),
        (0, strengths.shift),
        (0, strengths.shift),
        (1, strengths.zoom),
        (0, math.radians(strengths.shear)),
        share,  # mirrored left and right
        share,  # mirrored top and bottom
        (2, 2),  # quarter turns
        (1, strengths.brightness),
        (1, strengths.contrast),
        (1, strengths.saturation),
        (0, strengths.hue),
        *3 * [(1, strengths.stain)],
        *3 * [(0, strengths.stain)],
        share,  # erased
        ((least + greatest) / 2, (greatest - least) / 2),
        (0, _LONGEST),
        share,  # place of the rectangle, across
        share,  # and down
        share,  # changed at all
    ]
    return np.array(numbers, dtype=np.float64).T


_MOVING = 8
"""How many of the numbers that a sample draws, the first, move it."""

_GEOMETRY, _TINT, _ERASING, _GATE = slice(0, 6), slice(6, 16), slice(16, 21), slice(21, 22)
"""Columns of the table of parameters, (B, 22), or (B, 6) where samples are moved only."""

_UNCHANGED = (1, 0, 0, 0, 1, 0, *(1, 1, 1, 0, 1, 1, 1, 0, 0, 0), *(1, 0, 0, 0, 0), 0)
"""Parameters that leave a sample as it is."""


_BATCHES_AHEAD = 16


class _Ahead(NamedTuple):
    """Parameters of samples at positions from `first` on."""

    place: tuple[int, str, int, tuple[int, int]]
    first: int
    table: np.ndarray


class AugmentBatch:
    """The callable that ``augment`` builds: the parameters of a whole batch, then one pass for each kind of change.

    Parameters
    ----------
    before : callable
        What the strategies before do.
    strengths : Strengths
    chance : Tensor of float, shape (K,), optional
        How likely a sample of each class is changed; None is always.
    """

    def __init__(self, before: AugmentFunction, strengths: Strengths, chance: torch.Tensor | None) -> None:
        self.before, self.strengths, self.chance = before, strengths, chance
        # Numbers behind the last one that is used are not drawn.
        used = None if strengths.tints or strengths.erase or chance is not None else _MOVING
        centre, reach = _ranges(strengths)[:, :used, None]
        self.low, self.span = centre - reach, 2 * reach
        self._ahead: _Ahead | None = None

    def __call__(self, images: torch.Tensor, target: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Return the changed images."""
        images = self.before(images, target, draw)
        strengths, size = self.strengths, (images.shape[2], images.shape[3])
        table = torch.from_numpy(self._parameters(draw, size)).to(images.device, non_blocking=True)
        if self.chance is not None:
            changed = table[:, _GATE] < (target * self.chance).sum(dim=1, keepdim=True)
            table = torch.where(changed, table, table.new_tensor(_UNCHANGED))
        if strengths.tints:
            images = self._tint(images, table[:, _TINT])
        if strengths.moves or strengths.mirrors:
            # Mirroring and turning alone swap pixels: to blend them would only blur.
            interpolation = strengths.interpolation if strengths.moves else "nearest"
            matrices = table[:, _GEOMETRY].view(-1, 2, 3)
            images = warp(images, matrices, strengths.fill, strengths.fill_value, interpolation)
        if strengths.erase:
            chance, area, log_aspect, left, top = table[:, _ERASING].unbind(1)
            images = erase(images, chance < strengths.erase, area, log_aspect.exp(), left, top)
        return images

    def _parameters(self, draw: Draw, size: tuple[int, int]) -> np.ndarray:
        """Return the table of a batch's parameters, (B, 22) or (B, 6) float32.

        A sample's parameters depend on its place in the epoch, not on its batch: they are made for some batches ahead,
        since a call for a thousand samples costs a quarter as much for each as a call for sixty.
        """
        positions = draw.positions
        if positions is None or not len(positions):
            return self._made(draw, size)
        first, last = int(positions.min()), int(positions.max())
        length = _BATCHES_AHEAD * len(positions)
        if last - first >= length:
            return self._made(draw, size)
        place, ahead = (draw.seed, draw.name, draw.epoch, size), self._ahead
        if ahead is None or ahead.place != place or first < ahead.first or last >= ahead.first + len(ahead.table):
            following = draw.at(draw.epoch, np.arange(first, first + length))
            self._ahead = ahead = _Ahead(place, first, self._made(following, size))
        rows: np.ndarray = ahead.table[positions - ahead.first]
        return rows

    def _made(self, draw: Draw, size: tuple[int, int]) -> np.ndarray:
        """Return the table for the positions of `draw`."""
        strengths = self.strengths
        # Numbers are wanted on the CPU, whatever the device of the images: see _geometry.
        numbers = Draw(draw.seed, draw.name, draw.epoch, draw.positions).uniform(len(self.low)).numpy()
        amounts = self.low + self.span * numbers.T
        rotation, right, down, scale, shear, left_right, top_bottom, turn = amounts[:_MOVING]
        matrices = inverse_affine(rotation, right, down, scale, shear, size)
        if strengths.mirrors:
            turns = turn.astype(np.int64) if strengths.quarter_turns else None
            if turns is not None and size[0] != size[1]:
                turns = turns // 2 * 2
            horizontal = left_right < 0.5 if strengths.horizontal_flip else None
            vertical = top_bottom < 0.5 if strengths.vertical_flip else None
            matrices = mirror_and_turn(matrices, horizontal, vertical, turns)
        return np.concatenate([matrices.reshape(-1, 6), amounts[_MOVING:].T], axis=1, dtype=np.float32)

    def _tint(self, images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
        strengths = self.strengths
        brightness, contrast, saturation, hue = amounts[:, :4].unbind(1)
        if strengths.brightness or strengths.contrast or strengths.saturation:
            images = adjust_colour(images, brightness, contrast, saturation)
        if strengths.hue:
            images = shift_hue(images, hue)
        if strengths.stain:
            images = jitter_stain(images, amounts[:, 4:7], amounts[:, 7:])
        return images
