"""Colour changes against torchvision and colorsys, stain jitter against arithmetic on paper."""

import colorsys

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as reference

from imbtk_plugins.augment.augment.colour import adjust_colour, erase, jitter_stain, shift_hue


def pictures(count: int = 4, channels: int = 3, low: float = 0.35, high: float = 0.65) -> torch.Tensor:
    """Return images of middle values, whose changes do not reach black or white."""
    return low + (high - low) * torch.rand(count, channels, 6, 9, generator=torch.Generator().manual_seed(1))


ONES = torch.ones(4)
FACTORS = torch.tensor([0.8, 1.0, 1.1, 1.2])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_factor_is_torchvisions(channels, name):
    images = pictures(channels=channels)
    factors = {"brightness": ONES, "contrast": ONES, "saturation": ONES, name: FACTORS}
    adjust = getattr(reference, f"adjust_{name}")
    expected = torch.stack([adjust(image, float(factor)) for image, factor in zip(images, FACTORS, strict=True)])
    torch.testing.assert_close(adjust_colour(images, **factors), expected, atol=2e-4, rtol=0)


def test_three_factors_are_torchvisions_one_after_the_other():
    images = pictures()
    contrast, saturation = FACTORS.flip(0), FACTORS.roll(1)
    for i, out in enumerate(adjust_colour(images, FACTORS, contrast, saturation)):
        expected = reference.adjust_brightness(images[i], float(FACTORS[i]))
        expected = reference.adjust_contrast(expected, float(contrast[i]))
        expected = reference.adjust_saturation(expected, float(saturation[i]))
        torch.testing.assert_close(out, expected, atol=3e-4, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_cut_at_black_and_white(channels):
    out = adjust_colour(pictures(4, channels, 0, 1), ONES * 2, ONES * 2, ONES * 2)
    assert out.min() == 0
    assert out.max() == 1


def test_hue_is_torchvisions():
    images = pictures(low=0, high=1)
    images[0, :, 0] = 0.4  # grey has no hue
    shift = torch.tensor([-0.5, 0.0, 0.1, 0.33])
    expected = torch.stack([reference.adjust_hue(image, float(s)) for image, s in zip(images, shift, strict=True)])
    torch.testing.assert_close(shift_hue(images, shift), expected, atol=1e-5, rtol=0)


def test_hue_is_the_standard_librarys():
    images = pictures(1, low=0, high=1)
    out = shift_hue(images, torch.tensor([0.2]))[0].flatten(1).T.numpy()
    for (red, green, blue), found in zip(images[0].flatten(1).T.tolist(), out, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        np.testing.assert_allclose(found, colorsys.hsv_to_rgb((hue + 0.2) % 1, saturation, value), atol=1e-5)


# Ruifrok & Johnston 2001: rows are haematoxylin, eosin, DAB.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])


def test_no_jitter_of_stain_is_no_change():
    images = pictures(low=0, high=1)
    images[0, :, 0, 0], images[0, :, 0, 1] = 0, 1
    torch.testing.assert_close(jitter_stain(images, torch.ones(4, 3), torch.zeros(4, 3)), images, atol=2e-5, rtol=0)


def test_a_pixel_of_pure_haematoxylin_gets_darker_along_its_own_vector():
    amount = 0.8
    pixel = torch.tensor(np.exp(-amount * STAINS[0]), dtype=torch.float32).view(1, 3, 1, 1)
    out = jitter_stain(pixel, torch.tensor([[1.25, 3.0, 0.2]]), torch.zeros(1, 3))
    np.testing.assert_allclose(out.flatten(), np.exp(-1.25 * amount * STAINS[0]), atol=1e-5)


def test_the_offset_stains_white_with_eosin():
    out = jitter_stain(torch.ones(1, 3, 1, 1), torch.ones(1, 3), torch.tensor([[0.0, 0.3, 0.0]]))
    np.testing.assert_allclose(out.flatten(), np.exp(-0.3 * STAINS[1]), atol=1e-5)


def test_a_mixture_is_unmixed_changed_and_mixed_again():
    amounts, factor, offset = np.array([0.5, 0.9, 0.1]), np.array([1.1, 0.7, 0.95]), np.array([0.02, -0.04, 0.01])
    pixel = torch.tensor(np.exp(-amounts @ STAINS), dtype=torch.float32).view(1, 3, 1, 1)
    out = jitter_stain(pixel, torch.tensor(factor[None]).float(), torch.tensor(offset[None]).float())
    np.testing.assert_allclose(out.flatten(), np.exp(-(amounts * factor + offset) @ STAINS), atol=1e-5)


def test_stain_stays_in_range():
    out = jitter_stain(pictures(low=0, high=1), torch.full((4, 3), 0.2), torch.full((4, 3), -0.5))
    assert out.min() >= 0
    assert out.max() == 1


def test_a_rectangle_of_the_given_area_and_aspect_is_erased_where_it_was_put():
    images = torch.rand(3, 2, 10, 20, generator=torch.Generator().manual_seed(0))
    half = torch.full((3,), 0.5)
    # 0.16 of 200 pixels is 32: 8 high and 4 wide at aspect 2. Three rows and 17 columns are possible places.
    out = erase(
        images, torch.tensor([True, False, True]), half * 0.32, half * 4, torch.tensor([0.0, 0.5, 0.999]), half * 0
    )
    assert torch.equal(out[1], images[1])
    expected = images.clone()
    expected[0, :, 0:8, 0:4] = images[0].mean(dim=(1, 2))[:, None, None]
    expected[2, :, 0:8, 16:20] = images[2].mean(dim=(1, 2))[:, None, None]
    torch.testing.assert_close(out, expected)


def test_a_rectangle_too_long_for_the_image_is_cut():
    images = torch.rand(1, 1, 4, 30)
    out = erase(images, torch.tensor([True]), *torch.tensor([[0.5], [3.0], [0.3], [0.9]]))
    erased = (out != images)[0, 0]
    assert erased.any(dim=1).all()
    assert erased.any(dim=0).sum() == round((60 / 3) ** 0.5)
