from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imbtk.data.decode import decode_image, fit_to_size, read_image, remark_sentences
from imbtk.errors import DataError


def _saved(tmp_path: Path, image: Image.Image, name: str = "image.png", **options: object) -> Path:
    image.save(tmp_path / name, **options)
    return tmp_path / name


def _read(path: Path) -> tuple[np.ndarray, frozenset[str]]:
    image, remarks = read_image(path)
    return np.asarray(image), remarks


def test_rgb_and_grey_stay_as_they_are(tmp_path: Path) -> None:
    colour = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert (_read(_saved(tmp_path, Image.fromarray(colour)))[0] == colour).all()
    assert (_read(_saved(tmp_path, Image.fromarray(colour[:, :, 0])))[0] == colour[:, :, 0]).all()


def test_sixteen_bits_are_scaled_and_never_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 257, 300], [32896, 65535, 65280]], dtype=np.uint16)
    pixels, remarks = _read(_saved(tmp_path, Image.fromarray(values)))
    assert pixels.tolist() == [[0, 1, 1], [128, 255, 254]]
    assert remarks == {"16-bit"}


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0]]], dtype=np.uint8)
    pixels, remarks = _read(_saved(tmp_path, Image.fromarray(rgba)))
    assert pixels.tolist() == [[[200, 0, 0], [255, 255, 255]]]
    assert remarks == {"transparency"}
    rgba[..., 3] = 255
    pixels, remarks = _read(_saved(tmp_path, Image.fromarray(rgba)))
    assert pixels.tolist() == [[[200, 0, 0], [200, 0, 0]]]
    assert remarks == frozenset()


def test_grey_with_transparency_stays_grey(tmp_path: Path) -> None:
    image = Image.merge("LA", [Image.new("L", (1, 1), 100), Image.new("L", (1, 1), 0)])
    pixels, _ = _read(_saved(tmp_path, image))
    assert pixels.tolist() == [[255]]


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8)
    pixels, remarks = _read(_saved(tmp_path, Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE)))
    assert pixels.tolist() == colours.tolist()
    assert remarks == frozenset()


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    pixels, remarks = _read(_saved(tmp_path, image, transparency=0))
    assert pixels.tolist() == [[[255, 255, 255], [40, 50, 60]]]
    assert remarks == {"transparency"}


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert _read(_saved(tmp_path, image))[0].tolist() == [[0, 255]]


def test_cmyk_becomes_rgb_with_a_remark(tmp_path: Path) -> None:
    image = Image.merge("CMYK", [Image.new("L", (8, 8), ink) for ink in (0, 255, 255, 0)])
    pixels, remarks = _read(_saved(tmp_path, image, "image.tif"))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert remarks == {"cmyk"}


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees counter-clockwise
    upright = np.array([[3, 1], [4, 2]], dtype=np.uint8)
    stored = Image.fromarray(np.array([[1, 2], [3, 4]], dtype=np.uint8))
    assert (_read(_saved(tmp_path, stored, exif=exif))[0] == upright).all()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tiff", "a.gif", "a.bmp"])
@pytest.mark.parametrize("frames", [1, 2])
def test_an_image_that_needs_no_change_is_not_copied_and_outlives_its_file(
    tmp_path: Path, name: str, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = [np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8) for seed in range(frames)]
    first, *others = (Image.fromarray(frame) for frame in pixels)
    several = {"save_all": True, "append_images": others} if frames > 1 and name not in ("a.jpg", "a.bmp") else {}
    path = _saved(tmp_path, first, name, **several)
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGB"))

    def copied(image: Image.Image) -> None:
        raise AssertionError("copied, which holds up other threads")

    monkeypatch.setattr(Image.Image, "copy", copied)
    image, _ = read_image(path)
    path.unlink()
    assert (np.asarray(image) == expected).all()
    assert fit_to_size(image, 6, "pad").size == (6, 6)


def test_floats_in_the_unit_range_are_scaled(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32))
    pixels, remarks = _read(_saved(tmp_path, image, "image.tif"))
    assert pixels.tolist() == [[0, 128, 255]]
    assert remarks == {"float"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0.0, 7.5]], dtype=np.float32), "floating-point pixels from 0 to 7.5, where 0 to 1 is expected"),
        (np.array([[0.0, np.nan]], dtype=np.float32), "pixels that are NaN or infinite"),
        (np.array([[-3, 7]], dtype=np.int32), "integer pixels from -3 to 7, where 0 to 65535 is expected"),
    ],
)
def test_values_without_a_meaning_are_refused(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    path = _saved(tmp_path, Image.fromarray(values), "odd.tif")
    with pytest.raises(DataError, match=f"odd.tif cannot be read as an image: {reason}"):
        decode_image(path, None)


def test_several_frames_leave_a_remark(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), value) for value in (0, 255)]
    path = _saved(tmp_path, frames[0], "film.tif", save_all=True, append_images=frames[1:])
    pixels, remarks = _read(path)
    assert pixels.max() == 0
    assert remarks == {"frames"}


def test_broken_files_have_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    whole = _saved(tmp_path, Image.effect_noise((64, 64), 50), "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    for name, reason in {
        "empty.png": "the file is empty",
        "text.png": "no image format that can be read",
        "half.png": "truncated",
        "absent.png": "no such file or directory",
    }.items():
        with pytest.raises(DataError, match=f"{name} cannot be read as an image: .*{reason}"):
            decode_image(tmp_path / name, 8)


def test_an_open_file_can_be_decoded(tmp_path: Path) -> None:
    data = _saved(tmp_path, Image.new("RGB", (4, 4), (1, 2, 3))).read_bytes()
    assert decode_image(BytesIO(data), 4)[:, 0, 0].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="the image cannot be read as an image"):
        decode_image(BytesIO(b"nothing"), 4)


def test_channels_are_what_is_asked_for(tmp_path: Path) -> None:
    path = _saved(tmp_path, Image.new("L", (4, 4), 9))
    assert decode_image(path, None, channels=3).shape == (3, 4, 4)
    assert decode_image(path, None, channels=1).tolist() == [[[9] * 4] * 4]


def test_pad_keeps_the_aspect_and_fills_with_black() -> None:
    square = np.asarray(fit_to_size(Image.new("L", (8, 4), 200), 4, "pad"))
    assert square.tolist() == [[0] * 4, [200] * 4, [200] * 4, [0] * 4]


def test_crop_keeps_the_middle() -> None:
    wide = np.repeat(np.array([[0, 0, 100, 100, 100, 100, 0, 0]], dtype=np.uint8), 4, axis=0)
    assert (np.asarray(fit_to_size(Image.fromarray(wide), 4, "crop")) == 100).all()


def test_stretch_uses_all_of_it() -> None:
    assert np.asarray(fit_to_size(Image.new("L", (8, 4), 7), 4, "stretch")).tolist() == [[7] * 4] * 4


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(1, 50), (50, 1), (3, 7)])
def test_any_shape_becomes_a_square(resize: str, size: tuple[int, int]) -> None:
    assert fit_to_size(Image.new("RGB", size), 16, resize).size == (16, 16)


def test_resizing_never_overshoots() -> None:
    edge = Image.fromarray(np.repeat(np.array([[50] * 16 + [200] * 16], dtype=np.uint8), 32, axis=0))
    for size in (9, 77):
        pixels = np.asarray(fit_to_size(edge, size, "stretch"))
        assert (pixels.min(), pixels.max()) == (50, 200)


def test_remarks_become_sentences() -> None:
    assert remark_sentences({"16-bit": 1, "transparency": 3}, 9) == (
        "1 of 9 images has 16 bits a channel, scaled to 8.",
        "3 of 9 images have transparent pixels, laid on white.",
    )
