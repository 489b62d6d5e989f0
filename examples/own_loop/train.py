"""Strategies in a training loop of one's own, and the same numbers as ``imbtk run``, to the bit on a CPU.

    python examples/own_loop/train.py [EPOCHS]

The loop is plain PyTorch. What to train on (order), what to show (augmentation) and what to minimise (weights, loss,
head) come from ``imbtk.compose``. Then ``imbtk.run`` trains the same network on the same rows with the same seed, and
the losses of every epoch are compared.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import imbtk

STRATEGIES = ["class-weights:scheme=sqrt", "focal-loss:gamma=1", "oversample:power=0.5", "augment@50%-"]
SEED = 3


def backbone(sample_shape: tuple[int, ...]) -> nn.Module:
    """Return a small network that makes features of images; the classifier head goes on top of it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(sample_shape)), 32), nn.ReLU())


def own_loop(x: torch.Tensor, y: np.ndarray, epochs: int, loader: bool) -> tuple[list[float], Callable[..., Any]]:
    """Train on images (n, C, H, W) uint8 with labels (n,); return the loss of each epoch, and what gives logits."""
    share = x.double() / 255
    mean, std = (v.float().view(1, -1, 1, 1) for v in (share.mean((0, 2, 3)), share.std((0, 2, 3), correction=0)))

    def normalise(images: torch.Tensor) -> torch.Tensor:
        return (images - mean) / std

    composition = imbtk.compose(STRATEGIES, labels=y, x=x, epochs=epochs, batch_size=32, seed=SEED)
    torch.manual_seed(SEED)
    network = nn.Sequential(backbone(tuple(x.shape[1:])), composition.head(32))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.0, fused=True)
    losses = []
    for epoch in range(epochs):
        if loader:
            batches = from_a_data_loader(composition, x, epoch, normalise)
        else:
            batches = composition.batches(x, y, epoch, normalise)
        total = 0.0
        for inputs, target in batches:
            loss = composition.criterion(network(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
        losses.append(total / len(composition.sampler))
    return losses, lambda images: network(normalise(images.float() * (1 / 255)))


def from_a_data_loader(
    composition: imbtk.Composition, x: torch.Tensor, epoch: int, normalise: Callable[[torch.Tensor], torch.Tensor]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield what ``composition.batches`` does, with torch's DataLoader."""
    composition.on_epoch(epoch)
    rows = TensorDataset(x, composition.labels)
    for images, target in DataLoader(rows, composition.local_batch_size, sampler=composition.sampler):
        yield composition.mix(normalise(composition.augment(images, target)), target)


def main(epochs: int) -> None:
    """Train three times and compare."""
    digits = load_digits()
    rare = (digits.target != 8) | (np.cumsum(digits.target == 8) <= 30)  # the digit 8 is rare
    x, y = (digits.images[rare] * (255 / 16)).astype(np.uint8)[:, None], digits.target[rare]

    with tempfile.TemporaryDirectory() as folder:
        run = imbtk.run(
            (x, y), STRATEGIES, model="train:backbone", epochs=epochs, batch_size=32, seed=SEED, lr=2e-3,
            weight_decay=0.0, schedule="constant", warmup=0.0, device="cpu", out=f"{folder}/run", quiet=True,
        )  # fmt: skip
        its_losses = [record["train_loss"] for record in run.history]
        side = pd.read_csv(Path(run.folder) / "split.csv")["split"].to_numpy()
        its_logits = run.predictor.logits(x[side == "test"])

    images, labels = torch.from_numpy(x[side == "train"]), y[side == "train"]
    losses, logits_of = own_loop(images, labels, epochs, loader=False)
    same, _ = own_loop(images, labels, epochs, loader=True)
    for epoch, values in enumerate(zip(its_losses, losses, same, strict=True)):
        print(f"epoch {epoch}: imbtk run {values[0]:.6f}, own loop {values[1]:.6f}, DataLoader {values[2]:.6f}")
    with torch.no_grad():
        logits = logits_of(torch.from_numpy(x[side == "test"])).double().numpy()
    if not its_losses == losses == same or not np.array_equal(logits, its_logits):
        raise SystemExit("the numbers differ")
    print(f"the same to the bit: the losses of all {epochs} epochs, and the logits of {len(logits)} test rows")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
