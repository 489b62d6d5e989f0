"""Batches with random affine maps and flips: the augment strategy beside torchvision, image by image.

Both give batches of 64 float images and their targets with rotation ±20°, shift ±0.2, zoom ±0.2, shear ±5° and a flip
in half of them, every image with parameters of its own. torchvision (``RandomAffine``, ``RandomHorizontalFlip``,
``ToTensor``) starts from PIL images that are decoded already and goes through a ``DataLoader`` whose workers live on;
imbtk gathers from a uint8 tensor, casts, and calls the strategy once per batch. All contenders take turns, an epoch
each, and the fastest round counts. The first row of each table is like for like: the value 0 outside, the nearest
pixel. Nothing else may run meanwhile: two threads on shared cores wait for each other.

    python benchmarks/augment_speed.py [--rounds 7] [--threads 2] [--batch 64] [--data FOLDER]

`--data` takes a folder of images (any depth) instead of scikit-learn's digits enlarged. Freed memory is kept between
batches, as in every run of imbtk, for all contenders alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from imbtk import Draw, RunContext
from imbtk.training.memory import keep_memory
from imbtk_plugins.augment.augment import Augment

CLASSES = 10
SIZES = {(1, 28): 2048, (3, 64): 1024}
FILLS = ("constant", "nearest", "reflect")
INTERPOLATIONS = ("nearest", "bilinear")


class Decoded(Dataset[tuple[torch.Tensor, int]]):
    """PIL images in memory, transformed one at a time."""

    def __init__(self, images: list[Image.Image], labels: list[int], transform: Callable[..., torch.Tensor]) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


def load_images(folder: Path | None, channels: int, side: int, count: int) -> list[Image.Image]:
    """Return `count` images of one size, repeated if there are fewer."""
    if folder is None:
        from sklearn.datasets import load_digits

        sources = [Image.fromarray((image * 15).astype(np.uint8)) for image in load_digits().images]
    else:
        names = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".png", ".jpg", ".jpeg", ".tif", ".bmp"})
        sources = [Image.open(name) for name in names[:count]]
    mode = "L" if channels == 1 else "RGB"
    images = [image.convert(mode).resize((side, side), Image.Resampling.BILINEAR) for image in sources[:count]]
    return [images[i % len(images)] for i in range(count)]


def torchvision_loader(
    images: list[Image.Image], labels: list[int], interpolation: str, workers: int, batch: int
) -> DataLoader[Any]:
    """Return the loader that a user would write."""
    transform = transforms.Compose(
        [
            transforms.RandomAffine(20, (0.2, 0.2), (0.8, 1.2), 5, InterpolationMode(interpolation)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
    )
    data = Decoded(images, labels, transform)
    return DataLoader(data, batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


class Store:
    """Batches from a uint8 tensor, as imbtk's training makes them."""

    def __init__(self, pixels: torch.Tensor, labels: torch.Tensor, fill: str, interpolation: str, batch: int) -> None:
        self.pixels, self.labels, self.epoch, self.batch = pixels, labels, 0, batch
        counts = torch.bincount(labels, minlength=CLASSES)
        names = tuple(map(str, range(CLASSES)))
        context = RunContext(names, counts, counts, labels, sample_shape=tuple(pixels.shape[1:]))
        strategy = Augment(
            preset="none",
            rotation=20,
            shift=0.2,
            zoom=0.2,
            shear=5,
            horizontal_flip=True,
            fill=fill,
            interpolation=interpolation,
        )
        self.augment = strategy.imbtk_augment(lambda images, target, draw: images, context)
        self.one_hot = torch.eye(CLASSES)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self.epoch += 1
        order = torch.randperm(len(self.labels))
        for first in range(0, len(order), self.batch):
            rows = order[first : first + self.batch]
            images = torch.index_select(self.pixels, 0, rows).to(torch.float32).mul_(1 / 255)
            target = torch.index_select(self.one_hot, 0, torch.index_select(self.labels, 0, rows))
            draw = Draw(0, "augment", self.epoch, np.arange(first, first + len(rows)))
            yield self.augment(images, target, draw), target


def fastest(contenders: dict[str, object], rounds: int) -> dict[str, float]:
    """Return seconds of the fastest epoch of each contender; they take turns."""
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds + 1):  # the first round also starts the workers
        for name, batches in contenders.items():
            start = time.perf_counter()
            for _batch in batches:  # type: ignore[attr-defined]
                pass
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def measure(channels: int, side: int, count: int, rounds: int, batch: int, folder: Path | None) -> str:
    """Return the Markdown table for one size of image."""
    images = load_images(folder, channels, side, count)
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).view(count, side, side, channels)
    pixels = pixels.permute(0, 3, 1, 2).contiguous()
    labels = [i % CLASSES for i in range(count)]
    contenders: dict[str, object] = {}
    for interpolation in INTERPOLATIONS:
        for workers in (0, 2):
            name = f"torchvision {interpolation} {workers}"
            contenders[name] = torchvision_loader(images, labels, interpolation, workers, batch)
        for fill in FILLS:
            contenders[f"{fill} {interpolation}"] = Store(pixels, torch.tensor(labels), fill, interpolation, batch)
    best = fastest(contenders, rounds)
    batches = -(-count // batch)
    lines = [
        f"| {channels}×{side}×{side}, batches of {batch} | imbtk, ms | torchvision, 0 workers, ms | 2 workers, ms "
        "| ratio to 0 workers | ratio to 2 workers |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for interpolation in INTERPOLATIONS:
        theirs = [best[f"torchvision {interpolation} {workers}"] / batches * 1e3 for workers in (0, 2)]
        for fill in FILLS:
            ours = best[f"{fill} {interpolation}"] / batches * 1e3
            lines.append(
                f"| {interpolation}, fill {fill} | {ours:.3f} | {theirs[0]:.2f} | {theirs[1]:.2f} "
                f"| {theirs[0] / ours:.1f} | {theirs[1] / ours:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="threads of torch in the main process")
    parser.add_argument("--data", type=Path, help="a folder of images; scikit-learn's digits unless given")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_memory()
    for (channels, side), count in SIZES.items():
        print(measure(channels, side, count, arguments.rounds, arguments.batch, arguments.data), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
