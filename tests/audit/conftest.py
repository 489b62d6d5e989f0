"""Small images that look like something: smooth, each of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imbtk.audit.subject import AuditedData
from imbtk.data.dataset import Dataset

Draw = Callable[..., Image.Image]
MakeSubject = Callable[..., AuditedData]


@pytest.fixture
def picture() -> Draw:
    """Return a function that draws a smooth image of 64 × 64 from a seed, tinted if asked for."""

    def draw(seed: int, tint: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
        coarse = np.random.default_rng(seed).integers(0, 200, (8, 8, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)).astype(int)
        return Image.fromarray(np.clip(smooth + tint, 0, 255).astype(np.uint8))

    return draw


@pytest.fixture
def folder(tmp_path: Path, picture: Draw) -> Path:
    """Return a folder with six images in each of two classes, ``p0-0.png`` to ``p2-1.png``: three patients each."""
    root = tmp_path / "scans"
    for c, name in enumerate(("healthy", "ill")):
        (root / name).mkdir(parents=True)
        for number in range(6):
            picture(100 * c + number).save(root / name / f"{name[0]}{number // 2}-{number % 2}.png")
    return root


@pytest.fixture
def make_subject() -> MakeSubject:
    """Return a function that makes a subject of labels, groups and features or images."""

    def make(
        labels: list[int], groups: list[int] | None = None, x: torch.Tensor | None = None, **settings: object
    ) -> AuditedData:
        settings.setdefault("thorough", True)
        thorough, split = bool(settings.pop("thorough")), settings.pop("split", None)
        x = torch.arange(len(labels), dtype=torch.float32)[:, None] if x is None else x
        dataset = Dataset(
            name="data",
            kind="images" if x.ndim == 4 else "table",
            x=x,
            labels=torch.tensor(labels),
            class_names=tuple("abcdefgh"[: max(labels) + 1]),
            groups=None if groups is None else torch.tensor(groups),
            group_names=() if groups is None else tuple(f"p{g}" for g in range(max(groups) + 1)),
            group_name=str(settings.pop("group_name", "patient")),
            domain="photo" if x.ndim == 4 else "table",
            feature_names=tuple(f"x{d}" for d in range(x.shape[1])) if x.ndim == 2 else (),
            **settings,  # type: ignore[arg-type]
        )
        return AuditedData(dataset, split=split, thorough=thorough)  # type: ignore[arg-type]

    return make
