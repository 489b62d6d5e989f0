"""What every test starts from: one thread, a cache of its own."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings
from PIL import Image

pytest_plugins = ("synthetic_run",)

torch.set_num_threads(1)

# A shared machine is no reason to fail; and what CI refuses, a developer must be able to see again.
settings.register_profile("imbtk", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("imbtk")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep decoded images away from the user's cache."""
    cache: Path = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("IMBTK_CACHE", str(cache))
    return cache


def write_table(path: Path, rows: int, malignant: float, seed: int) -> Path:
    """Write a CSV of numbers and texts with patients of two rows; `malignant` is the share of that class."""
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "colour", "patient", "label"])
        for row in range(rows):
            ill = row // 2 * 2 < malignant * rows
            colour = rng.choice(["red", "blue"], p=[0.8, 0.2] if ill else [0.3, 0.7])
            size = rng.normal(2.0 if ill else 0.0)
            writer.writerow([f"{size:.4f}", colour, f"P{row // 2}", "malignant" if ill else "benign"])
    return path


def write_images(folder: Path, rows: int, seed: int = 0) -> Path:
    """Write 12 x 12 images, benign ones dark and malignant ones bright, with the patient in the file name."""
    rng = np.random.default_rng(seed)
    for name, level in (("benign", 60), ("malignant", 170)):
        (folder / name).mkdir(parents=True)
        for row in range(rows):
            pixels = np.clip(rng.normal(level, 40, size=(12, 12, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name[0]}{row // 3}_{row}.png")
    return folder


MEDMNIST = {"train": 40, "val": 16, "test": 20}
"""Rows on each side of what :func:`write_medmnist` writes."""


@pytest.fixture(scope="session")
def write_medmnist() -> Callable[..., Path]:
    """Return a function that writes an npz of MedMNIST's layout, each side half 0 and half 1.

    Unless `clean`, ``train[0]`` (0) and ``val[1]`` (1) are one image; ``train[2]`` is in test, ``train[4]`` in
    validation, ``val[6]`` in test as well; ``train[8]`` and ``train[10]`` are one image, which harms nobody.
    """

    def write(path: Path, *, clean: bool = False, seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        labels = {side: (np.arange(rows) % 2)[:, None].astype(np.uint8) for side, rows in MEDMNIST.items()}
        images = {
            side: (rng.integers(0, 128, (rows, 8, 8)) + 100 * labels[side][:, :, None]).astype(np.uint8)
            for side, rows in MEDMNIST.items()
        }
        if not clean:
            images["val"][1] = images["train"][0]
            images["test"][2] = images["train"][2]
            images["val"][4] = images["train"][4]
            images["test"][6] = images["val"][6]
            images["train"][10] = images["train"][8]
        arrays = {f"{side}_images": pixels for side, pixels in images.items()}
        np.savez(path, **arrays, **{f"{side}_labels": values for side, values in labels.items()})  # type: ignore[arg-type]
        return path

    return write


@pytest.fixture(scope="session")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on a table with patients; it is read, never changed."""
    import imbtk

    folder = tmp_path_factory.mktemp("table")
    data = write_table(folder / "train.csv", 240, 0.3, 0)
    return imbtk.run(data, model="linear", epochs=30, lr=0.05, quiet=True, out=str(folder / "run")).folder


@pytest.fixture
def cohort() -> Callable[..., pd.DataFrame]:
    """Return a function that makes rows like those of the table that `table_run` was trained on."""
    return make_cohort


def make_cohort(rows: int, malignant: float, seed: int, apart: float = 2.0) -> pd.DataFrame:
    """Return rows made like those of the training table, with another share of the malignant class.

    With another distance `apart` between the classes they are made otherwise.
    """
    rng = np.random.default_rng(seed)
    ill = np.arange(rows) // 2 * 2 < malignant * rows
    colour = np.where(rng.random(rows) < np.where(ill, 0.8, 0.3), "red", "blue")
    size = rng.normal(size=rows) * apart / 2 + np.where(ill, 1 + apart / 2, 1 - apart / 2)
    label = np.where(ill, "malignant", "benign")
    return pd.DataFrame({"size": size, "colour": colour, "patient": np.arange(rows) // 2, "label": label})


@pytest.fixture
def mixed() -> pd.DataFrame:
    """Return a cohort whose 24 patients have five rows each, in half of them of both classes."""
    frame = make_cohort(120, 0.5, 1)
    frame["patient"] = np.random.default_rng(0).permutation(np.arange(120) // 5)
    return frame


@pytest.fixture(scope="session")
def image_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on images with patients; it is read, never changed."""
    import imbtk

    folder = tmp_path_factory.mktemp("images")
    options = {"group_pattern": r"([bm]\d+)_", "cache_dir": str(folder / "cache"), "model": "linear", "epochs": 8}
    data = write_images(folder / "train", 45)
    return imbtk.run(data, quiet=True, out=str(folder / "run"), **options).folder


class Marks:
    """An object that makes a file when it is unpickled: what it stands for could do anything."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self.path, "w")


@pytest.fixture
def write_attack() -> Callable[[Path, Path], None]:
    """Return a function that writes a program of ``torch.export`` which makes a `marker` file when it is loaded."""

    def write(path: Path, marker: Path) -> None:
        program, pickled = io.BytesIO(), io.BytesIO()
        torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), program)
        torch.save(((Marks(marker),), {}), pickled)
        with zipfile.ZipFile(program) as old, zipfile.ZipFile(path, "w") as new:
            for entry in old.infolist():
                poisoned = "/sample_inputs/" in entry.filename
                new.writestr(entry.filename, pickled.getvalue() if poisoned else old.read(entry))

    return write
