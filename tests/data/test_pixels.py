import numpy as np
import pytest

from imbtk.data.pixels import channels_first, pixels_of, resized
from imbtk.errors import DataError


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 28, 28), (5, 1, 28, 28)),
        ((5, 28, 28, 1), (5, 1, 28, 28)),
        ((5, 28, 20, 3), (5, 3, 28, 20)),
        ((5, 3, 28, 20), (5, 3, 28, 20)),
        ((5, 4, 28, 20), (5, 4, 28, 20)),
    ],
)
def test_the_axis_of_channels_is_found(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert channels_first(np.zeros(shape, dtype=np.uint8), "x").shape == expected


def test_values_follow_the_axes() -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    assert (pixels_of(x, "x")[0] == x.transpose(0, 3, 1, 2)).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 3, 28, 3), "in which the second axis could be the channels and the last one too"),
        ((5, 28, 28, 2), r"Images need 1, 3 or 4 channels, as \(N, C, H, W\) or \(N, H, W, C\)"),
        ((5, 0, 28), "images without a pixel"),
    ],
)
def test_other_shapes_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        channels_first(np.zeros(shape), "x")


@pytest.mark.parametrize(
    ("values", "expected", "note"),
    [
        (np.array([0, 255], dtype=np.uint8), [0, 255], ()),
        (np.array([0, 200]), [0, 200], ()),
        (np.array([False, True]), [0, 255], ()),
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255], ("1 of 1 images has floating-point pixels, scaled from 0..1.",)),
        (
            np.array([0, 300, 65535], dtype=np.uint16),
            [0, 1, 255],
            ("1 of 1 images has 16 bits a channel, scaled to 8.",),
        ),
    ],
)
def test_values_become_bytes(values: np.ndarray, expected: list[int], note: tuple[str, ...]) -> None:
    pixels, notes = pixels_of(values.reshape(1, 1, -1), "x")
    assert pixels.dtype == np.uint8
    assert pixels.ravel().tolist() == expected
    assert notes == note


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.0, 255.0]), "x holds floating-point pixels from 0 to 255, where 0 to 1 is expected. Divide by"),
        (np.array([-1.0, 1.0]), "from -1 to 1, where 0 to 1 is expected"),
        (
            np.array([0.5, np.nan]),
            "^x holds pixels that are NaN or infinite, in 1 of 1 images. Correct these images or",
        ),
        (np.array([0, 256]), "x holds int64 pixels from 0 to 256, where 0 to 255 is expected. Scale them to uint8"),
        (np.array([-1, 5]), "from -1 to 5"),
        (np.array(["a", "b"]), "x holds <U1 values, which are no pixels"),
    ],
)
def test_other_values_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pixels_of(values.reshape(1, 1, -1), "x")


def test_transparency_is_laid_on_white() -> None:
    rgba = np.array([[[[200, 0, 0, 255], [200, 0, 0, 0], [100, 0, 200, 51]]] * 2], dtype=np.uint8)
    pixels, notes = pixels_of(rgba, "x")
    # 20 % of the colour, 80 % of white.
    assert pixels[0, :, 0].T.tolist() == [[200, 0, 0], [255, 255, 255], [224, 204, 244]]
    assert notes == ("1 of 1 images has transparent pixels, laid on white.",)


def test_images_get_square_and_no_larger_than_64() -> None:
    square = np.zeros((2, 1, 28, 28), dtype=np.uint8)
    assert resized(square, None, "pad", None) is square
    assert resized(np.zeros((2, 3, 100, 80), dtype=np.uint8), None, "pad", None).shape == (2, 3, 64, 64)
    assert resized(square, 32, "stretch", None).shape == (2, 1, 32, 32)
    wide = np.full((1, 1, 4, 8), 9, dtype=np.uint8)
    assert resized(wide, None, "pad", None)[0, 0, :, 0].tolist() == [0, 0, 9, 9, 9, 9, 0, 0]
