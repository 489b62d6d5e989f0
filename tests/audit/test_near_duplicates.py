"""Tests of perceptual hashes and of the search for pairs."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import fft

from imbtk.audit import near_duplicates as likeness
from imbtk.audit.near_duplicates import confirmed, content_numbers, grey, near_pairs, perceptual_hashes, same_but_for

Draw = Callable[..., Image.Image]


def stored(*images: Image.Image) -> torch.Tensor:
    arrays = [np.asarray(image.convert("RGB").resize((64, 64))) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def distance(hashes: np.ndarray, i: int, j: int) -> int:
    return bin(int(hashes[i]) ^ int(hashes[j])).count("1")


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def test_contents() -> None:
    assert content_numbers(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])).tolist() == [0, 1, 0]


def test_grey_is_luma(picture: Draw) -> None:
    image = picture(1)
    ours = grey(stored(image))[0].numpy()
    assert np.abs(ours - np.asarray(image.convert("L"))).max() <= 1


def test_hash_is_the_sign_of_low_frequencies(picture: Draw) -> None:
    image = picture(2)
    hashes, contrast = perceptual_hashes(stored(image))
    pixels = grey(stored(image))[0].double().numpy()
    low = fft.dctn(pixels, norm="ortho")[:8, :8].ravel()[1:]
    expected = sum(1 << place for place, value in enumerate(low) if value > np.median(low))
    assert int(hashes[0]) == expected
    assert contrast[0] == pytest.approx(pixels.std(ddof=1), rel=1e-4)


def test_copies_are_near_and_others_are_not(picture: Draw) -> None:
    image = picture(3)
    images = stored(
        image, as_jpeg(image, 70), image.resize((32, 32)), ImageEnhance.Brightness(image).enhance(1.05), picture(4),
        ImageOps.mirror(image),
    )  # fmt: skip
    hashes, _ = perceptual_hashes(images)
    assert [distance(hashes, 0, other) <= 2 for other in range(1, 6)] == [True, True, True, False, False]
    assert confirmed(images, near_pairs(hashes).pairs).all()
    assert near_pairs(hashes).pairs.tolist() == [[i, j] for i, j in combinations(range(4), 2)]


def test_the_search_finds_what_comparing_all_finds() -> None:
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 1 << 63, 40, dtype=np.uint64)
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 63, (400, 3)).astype(np.uint64), axis=1)
    hashes = centres[rng.integers(0, 40, 400)] ^ np.where(rng.random(400) < 0.3, np.uint64(0), flips)
    expected = [[i, j] for i, j in combinations(range(400), 2) if distance(hashes, i, j) <= 2]
    found = near_pairs(hashes)
    assert len(expected) > 100
    assert found.pairs.tolist() == expected
    assert found.complete
    some = np.arange(0, 400, 3)
    assert near_pairs(hashes, some).pairs.tolist() == [p for p in expected if p[0] % 3 == 0 and p[1] % 3 == 0]


def test_too_many_comparisons_are_cut_off_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "_MOST_COMPARISONS", 500)
    found = near_pairs(np.zeros(200, dtype=np.uint64))
    assert not found.complete
    assert 0 < len(found.pairs) < 200 * 199 // 2


def test_bits_that_differ() -> None:
    first = np.array([0, 0, 0, 2**62 + 1], dtype=np.uint64)
    second = np.array([0, 0b1001, 0b111, 0], dtype=np.uint64)
    assert same_but_for(first, second).tolist() == [True, True, False, True]


def test_pairs_that_look_different_are_not_confirmed(picture: Draw) -> None:
    images = stored(picture(5), ImageEnhance.Contrast(picture(5)).enhance(0.7), picture(6))
    assert confirmed(images, np.array([[0, 1], [0, 2]])).tolist() == [True, False]
    assert confirmed(images, np.empty((0, 2), dtype=np.int64)).tolist() == []
