"""The ranges that parameters fill, seen in what becomes of single pixels."""

import numpy as np
import pytest
import torch

from imbtk import Draw
from imbtk_plugins.augment.augment.batch import AugmentBatch
from imbtk_plugins.augment.augment.strengths import Strengths


def apply(images: torch.Tensor, **strengths) -> torch.Tensor:
    call = AugmentBatch(lambda images, target, draw: images, Strengths(**strengths), None)
    return call(images, torch.ones(len(images), 1), Draw(0, "augment", 0, np.arange(len(images))))


def pictures(count: int, shape=(3, 16, 16)) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(3))


def lit(out: torch.Tensor) -> torch.Tensor:
    """Return (row, column) of the one lit pixel of each image, from the centre."""
    place = out.flatten(1).argmax(dim=1)
    side = out.shape[-1]
    return torch.stack([place // side, place % side], dim=1).double() - (side - 1) / 2


def spots(count: int, side: int, right: int) -> torch.Tensor:
    images = torch.zeros(count, 1, side, side)
    images[:, 0, side // 2, side // 2 + right] = 1
    return images


def test_shifts_fill_their_range_both_ways():
    out = apply(spots(3000, 41, 0), shift=0.25, interpolation="nearest")
    places = lit(out)
    assert places.abs().max() == 10  # a quarter of 41
    assert places.mean(dim=0).abs().max() < 0.4
    np.testing.assert_allclose(places.std(dim=0, correction=0), 41 * 0.25 / np.sqrt(3), rtol=0.05)


def test_rotations_fill_their_range_both_ways():
    places = lit(apply(spots(2000, 101, 45), rotation=30))
    angles = torch.rad2deg(torch.atan2(places[:, 0], places[:, 1]))
    assert 29 < angles.max() < 31
    assert -31 < angles.min() < -29
    np.testing.assert_allclose(angles.std(), 30 / np.sqrt(3), rtol=0.05)


def test_zoom_fills_its_range():
    places = lit(apply(spots(2000, 101, 30), zoom=0.2, interpolation="bilinear"))
    assert (places[:, 0] == 0).all()
    assert places[:, 1].min() == pytest.approx(24, abs=1)
    assert places[:, 1].max() == pytest.approx(36, abs=1)


def test_a_shear_of_degrees_moves_as_far_as_its_tangent():
    images = torch.zeros(2000, 1, 41, 41)
    images[:, :, 0, 20] = 1
    places = lit(apply(images, shear=45, interpolation="nearest"))
    assert places[:, 1].abs().max() == pytest.approx(20, abs=1)


@pytest.mark.parametrize(("option", "dim"), [("horizontal_flip", 3), ("vertical_flip", 2)])
def test_half_of_the_images_are_mirrored(option, dim):
    images = pictures(1000, (1, 4, 5))
    out = apply(images, **{option: True})
    mirrored = (out == images.flip(dim)).flatten(1).all(dim=1)
    assert torch.equal(out[~mirrored], images[~mirrored])
    assert 440 < mirrored.sum() < 560


def test_quarter_turns_are_all_four_on_squares_and_two_on_other_images():
    square, wide = pictures(1, (1, 4, 4)), pictures(1, (1, 4, 6))
    out = apply(square.expand(400, -1, -1, -1), quarter_turns=True)
    counts = [int((out == torch.rot90(square, k, (2, 3))).flatten(1).all(dim=1).sum()) for k in range(4)]
    assert sum(counts) == 400
    assert min(counts) > 70
    out = apply(wide.expand(400, -1, -1, -1), quarter_turns=True)
    counts = [int((out == torch.rot90(wide, k, (2, 3))).flatten(1).all(dim=1).sum()) for k in (0, 2)]
    assert sum(counts) == 400
    assert min(counts) > 160


def test_one_option_does_not_reshuffle_another():
    images = pictures(50)
    alone = apply(images, vertical_flip=True)
    both = apply(images, vertical_flip=True, horizontal_flip=True)
    same = torch.stack([(both == alone).flatten(1).all(1), (both == alone.flip(3)).flatten(1).all(1)])
    assert same.any(dim=0).all()


def test_brightness_is_a_factor_within_its_range():
    out = apply(torch.full((2000, 1, 2, 2), 0.5), brightness=0.2)[:, 0, 0, 0]
    assert out.min() == pytest.approx(0.4, abs=0.002)
    assert out.max() == pytest.approx(0.6, abs=0.002)


def test_constant_fill_keeps_its_value_whatever_the_colours_do():
    out = apply(pictures(64) * 0.5, shift=0.5, fill="constant", fill_value=0.9, brightness=0.1)
    filled = (out - 0.9).abs() < 1e-6
    assert filled.float().mean() > 0.2
    assert out[~filled & (out > 0.551)].numel() < 0.1 * out.numel()  # blends at the border, nothing else


def test_erasing_takes_a_share_of_images_and_an_area_in_its_range():
    images = pictures(1000, (1, 40, 40))
    out = apply(images, erase=0.3, erase_area=(0.1, 0.2))
    share = (out != images).flatten(1).double().mean(dim=1)
    erased = share[share > 0]
    assert 250 < len(erased) < 350
    assert erased.min() > 0.09
    assert erased.max() < 0.21


def test_a_chance_of_zero_leaves_every_image_and_one_changes_every_image():
    images = pictures(20, (1, 8, 8))
    call = AugmentBatch(lambda images, target, draw: images, Strengths(brightness=0.5), torch.tensor([0.0, 1.0]))
    target = torch.eye(2).repeat(10, 1)
    out = call(images, target, Draw(0, "augment", 0, np.arange(20)))
    different = (out != images).flatten(1).any(dim=1)
    assert torch.equal(different, target[:, 1].bool())


def test_stain_and_hue_jitter_leave_no_colour_image_as_it_was():
    images = pictures(10)
    for strengths in ({"stain": 0.1}, {"hue": 0.1}, {"saturation": 0.5}):
        assert ((apply(images, **strengths) - images).abs().amax(dim=(1, 2, 3)) > 1e-3).all()


@pytest.mark.parametrize("strengths", [{"rotation": 30}, {"rotation": 30, "brightness": 0.5}], ids=["moved", "tinted"])
def test_a_sample_is_changed_alike_in_any_batch_and_after_any_other(strengths):
    images, epoch = pictures(400, (1, 9, 9)), np.arange(400)
    whole = apply(images, **strengths)
    call = AugmentBatch(lambda images, target, draw: images, Strengths(**strengths), None)
    batches = [
        epoch[:7],
        epoch[7:14],
        epoch[100:107],
        epoch[3:9],
        epoch[1::2],
        epoch[::-57],
        epoch[[399, 0]],
        epoch[:0],
    ]
    for places in batches:
        for number in (0, 1, 0):  # another epoch between
            part = call(images[places.copy()], torch.ones(len(places), 1), Draw(0, "augment", number, places))
            # Places of pixels to the bit; colours go by means over an image, whose rounding hangs on the batch.
            same = torch.allclose(part, whole[places.copy()], rtol=0, atol=1e-6 if "brightness" in strengths else 0)
            assert same == (number == 0 or not len(places))
