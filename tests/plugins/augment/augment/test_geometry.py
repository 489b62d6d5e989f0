"""Batched affine maps against torchvision, image by image, and against arithmetic on paper."""

import itertools

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from imbtk_plugins.augment.augment.geometry import _grid, inverse_affine, mirror_and_turn, warp

SIZES = [(28, 28), (9, 9), (8, 13), (31, 20)]
MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}

# Degrees, fractions of width and height, magnification, degrees.
AFFINE = {
    "nothing": (0.0, 0.0, 0.0, 1.0, 0.0),
    "rotation": (33.3, 0.0, 0.0, 1.0, 0.0),
    "shift": (0.0, 0.26, -0.12, 1.0, 0.0),
    "zoom in": (0.0, 0.0, 0.0, 1.37, 0.0),
    "zoom out": (0.0, 0.0, 0.0, 0.61, 0.0),
    "shear": (0.0, 0.0, 0.0, 1.0, 17.0),
    "all": (-101.7, 0.11, 0.23, 1.21, -13.1),
}


def matrix_of(parameters: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    rotation, right, down, scale, shear = (np.array([value], dtype=float) for value in parameters)
    return inverse_affine(np.deg2rad(rotation), right, down, scale, np.deg2rad(shear), size)


def map_of(parameters: tuple[float, ...], size: tuple[int, int]) -> torch.Tensor:
    return torch.from_numpy(matrix_of(parameters, size))


def picture(size: tuple[int, int], channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(seed))


def test_affine_is_torchvisions():
    for size, name, interpolation, value in itertools.product(SIZES, AFFINE, MODES, (0.0, 0.7)):
        images, (rotation, right, down, scale, shear) = picture(size), AFFINE[name]
        height, width = size
        # torchvision darkens the border twice if told a fill: it is told none, and the value is taken off and put back.
        expected = value + reference.affine(
            images - value,
            angle=rotation,
            translate=[right * width, down * height],
            scale=scale,
            shear=[shear, 0.0],
            interpolation=MODES[interpolation],
        )
        out = warp(images, map_of(AFFINE[name], size), "constant", value, interpolation)
        apart = (out - expected).abs()
        case = f"{size}, {name}, {interpolation}, border {value}"
        assert (out.shape, out.dtype) == (expected.shape, expected.dtype), case
        if interpolation == "nearest":
            # A coordinate half-way between two pixels may fall either way: a handful of pixels at the most.
            assert apart.gt(1e-5).float().mean() < 0.02, case
        else:
            assert apart.max() <= 3e-5, case


@pytest.mark.parametrize("batch", [3, 16, 64])
def test_each_sample_has_its_own_matrix(batch):
    size = (12, 17)
    images = torch.cat([picture(size, seed=seed) for seed in range(batch)])
    singles = [map_of(AFFINE[name], size) for name in ("rotation", "shift", "all")] * (batch // 3 + 1)
    together = warp(images, torch.cat(singles[:batch]))
    for i, single in enumerate(singles[:batch]):
        assert torch.equal(together[i : i + 1], warp(images[i : i + 1], single))


def test_places_of_pixels_are_rounded_as_numpy_rounds_them():
    """Products and sums of float32 one by one: what any processor gives, in batches of any size."""
    height, width = 12, 17
    matrix = matrix_of(AFFINE["all"], (height, width))
    places = _grid(torch.from_numpy(matrix), height, width)
    xs = ((np.arange(width, dtype=np.float32) * 2 + (1 - width)) / np.float32(width)).astype(np.float32)
    ys = ((np.arange(height, dtype=np.float32) * 2 + (1 - height)) / np.float32(height)).astype(np.float32)
    for axis in (0, 1):
        across, down, shift = matrix[0, axis]
        expected = (down * ys + shift)[:, None] + (across * xs)[None, :]
        assert expected.dtype == np.float32
        np.testing.assert_array_equal(places[0, :, :, axis].numpy(), expected)


def test_positive_rotation_is_clockwise_shift_goes_right_and_down_and_zoom_enlarges():
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, 4, 6] = 1  # two pixels right of the centre

    def lit(*parameters):
        out = warp(images, map_of(parameters, (9, 9)), "constant", 0.0, "nearest")
        return sorted(map(tuple, out[0, 0].nonzero().tolist()))

    assert lit(90, 0, 0, 1, 0) == [(6, 4)]
    assert lit(0, 1 / 9, 0, 1, 0) == [(4, 7)]
    assert lit(0, 0, -2 / 9, 1, 0) == [(2, 6)]
    assert (4, 8) in lit(0, 0, 0, 2, 0)


def test_rows_above_the_centre_shear_to_the_right():
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, :, 4] = 1
    out = warp(images, map_of((0, 0, 0, 1, 45), (9, 9)), "constant", 0.0, "nearest")
    assert torch.equal(out[0, 0], torch.eye(9).flip(1))


def test_mirrors_and_turns_swap_pixels_exactly():
    for size, (interpolation, tolerance) in itertools.product(SIZES, (("nearest", 0), ("bilinear", 1e-5))):
        turned = range(4) if size[0] == size[1] else (0, 2)
        choices = list(itertools.product((False, True), (False, True), turned))
        horizontal, vertical, turns = (np.array(column) for column in zip(*choices, strict=True))
        # One picture for each choice, all in one batch.
        images = torch.cat([picture(size, seed=seed) for seed in range(len(choices))])
        matrices = matrix_of(AFFINE["nothing"], size).repeat(len(choices), axis=0)
        affine = torch.from_numpy(mirror_and_turn(matrices, horizontal, vertical, turns))
        out = warp(images, affine, interpolation=interpolation)
        for image, made, (across, down, quarters) in zip(images, out, choices, strict=True):
            expected = reference.hflip(image) if across else image
            expected = reference.vflip(expected) if down else expected
            expected = torch.rot90(expected, quarters, dims=(1, 2))
            case = f"{size}, {interpolation}, mirrored {across} and {down}, {quarters} quarter turns"
            assert (made.shape, made.dtype) == (expected.shape, expected.dtype), case
            assert (made - expected).abs().max() <= tolerance, case


def test_mirror_and_turn_come_after_the_affine_map():
    size = (16, 16)
    images, matrix = picture(size), matrix_of(AFFINE["all"], size)
    moved = warp(images, torch.from_numpy(matrix), "constant", 0.2)
    both = torch.from_numpy(mirror_and_turn(matrix, np.array([True]), None, np.array([3])))
    expected = torch.rot90(reference.hflip(moved), 3, dims=(2, 3))
    torch.testing.assert_close(warp(images, both, "constant", 0.2), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize(("fill", "mode"), [("nearest", "edge"), ("reflect", "symmetric")])
@pytest.mark.parametrize("shift", [(2, 3), (-3, 1), (0, -4)])
def test_fill_is_numpys_padding(interpolation, fill, mode, shift):
    height, width = 7, 10
    right, down = shift
    images = picture((height, width))
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (5, 5), (5, 5)), mode=mode)
    expected = padded[:, :, 5 - down : 5 - down + height, 5 - right : 5 - right + width]
    affine = map_of((0, right / width, down / height, 1, 0), (height, width))
    out = warp(images, affine, fill, 0.0, interpolation)
    np.testing.assert_allclose(out.numpy(), expected, atol=2e-5)


def test_reflection_goes_on_beyond_one_image():
    row = torch.tensor([0.1, 0.2, 0.3])
    out = warp(row.view(1, 1, 1, 3), map_of((0, 2.0, 0, 1, 0), (1, 3)), "reflect", 0.0, "nearest")
    torch.testing.assert_close(out.flatten(), row)  # two images to the left: mirrored twice


@pytest.mark.parametrize("fill", ["nearest", "reflect", "constant"])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_values_stay_in_range_and_the_input_as_it_is(fill, value):
    images = torch.ones(1, 1, 20, 20)
    images[..., ::3] = 0
    before = images.clone()
    out = warp(images, map_of(AFFINE["all"], (20, 20)), fill, value)
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(images, before)


def test_double_precision_stays_double():
    images = picture((6, 6)).double()
    assert warp(images, map_of(AFFINE["all"], (6, 6))).dtype == torch.float64


def test_autocast_and_coarse_products_do_not_touch_the_places_of_pixels():
    images, matrices = torch.rand(5, 1, 64, 64), torch.cat([map_of(AFFINE["all"], (64, 64))] * 5)
    exact = warp(images.double(), matrices.double()).float()
    torch.testing.assert_close(warp(images, matrices), exact, atol=1e-4, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(warp(images, matrices), exact, atol=1e-4, rtol=0)
    try:
        torch.set_float32_matmul_precision("medium")
        torch.testing.assert_close(warp(images, matrices), exact, atol=1e-4, rtol=0)
    finally:
        torch.set_float32_matmul_precision("highest")
