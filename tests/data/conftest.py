"""Small image files and frames to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

WriteImage = Callable[..., Path]


@pytest.fixture
def write_image() -> WriteImage:
    """Return a function that writes a file of random pixels, different for each call unless seeded."""
    calls = 0

    def write(path: Path, size: tuple[int, int] = (8, 8), mode: str = "RGB", seed: int | None = None) -> Path:
        nonlocal calls
        calls += 1
        shape: Sequence[int] = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
        pixels = np.random.default_rng(calls if seed is None else 10_000 + seed).integers(0, 256, shape, dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def class_folders(tmp_path: Path, write_image: WriteImage) -> Path:
    """Return a folder with three images in each of two classes."""
    for name in ("cat", "dog"):
        for number in range(3):
            write_image(tmp_path / "animals" / name / f"{number}.png")
    return tmp_path / "animals"


@pytest.fixture
def site_frame() -> pd.DataFrame:
    """Return twelve rows of four sites that have rows of both classes, and a verdict of each site."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": rng.normal(size=12),
            "label": ["ok", "ok", "bad"] * 4,
            "site": np.repeat(["a", "b", "c", "d"], 3),
            "verdict": np.repeat(["bad", "ok", "bad", "ok"], 3),
        }
    )
