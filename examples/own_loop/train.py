"""Strategies in a training loop of one's own, and the same numbers as ``imbtk run``, to the bit on a CPU.

    python examples/own_loop/train.py [EPOCHS]

The loop is plain PyTorch. What to train on (order), what to show (augmentation) and what to minimise (weights, loss,
head) come from ``imbtk.compose``. Then ``imbtk.run`` trains the same network on the same rows with the same seed, and
the losses of every epoch are compared.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import nn

import imbtk

STRATEGIES = ["class-weights:scheme=sqrt", "focal-loss:gamma=1", "oversample:power=0.5", "augment@50%-"]
SEED = 3


def backbone(sample_shape: tuple[int, ...]) -> nn.Module:
    """Return a small network that makes features of images; the classifier head goes on top of it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(sample_shape)), 32), nn.ReLU())


def own_loop(x: torch.Tensor, y: np.ndarray, epochs: int) -> tuple[list[float], nn.Module]:
    """Train on images (n, C, H, W) uint8 with labels (n,); return the loss of each epoch and the network."""
    share = x.double() / 255
    mean, std = (v.float().view(1, -1, 1, 1) for v in (share.mean((0, 2, 3)), share.std((0, 2, 3), correction=0)))
    composition = imbtk.compose(STRATEGIES, labels=y, x=x, epochs=epochs, batch_size=32, seed=SEED)
    torch.manual_seed(SEED)
    network = nn.Sequential(backbone(tuple(x.shape[1:])), composition.head(32))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.0, fused=True)
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for inputs, target in composition.batches(x, y, epoch, normalise=lambda images: (images - mean) / std):
            loss = composition.criterion(network(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
        losses.append(total / len(composition.sampler))
    return losses, network


def with_a_data_loader(x: torch.Tensor, y: np.ndarray, epochs: int) -> list[float]:
    """Train in the same way with torch's DataLoader: the sampler gives the order, the rest works on its batches."""
    share = x.double() / 255
    mean, std = (v.float().view(1, -1, 1, 1) for v in (share.mean((0, 2, 3)), share.std((0, 2, 3), correction=0)))
    composition = imbtk.compose(STRATEGIES, labels=y, x=x, epochs=epochs, batch_size=32, seed=SEED)
    rows = torch.utils.data.TensorDataset(x, composition.labels)
    loader = torch.utils.data.DataLoader(rows, composition.local_batch_size, sampler=composition.sampler)
    torch.manual_seed(SEED)
    network = nn.Sequential(backbone(tuple(x.shape[1:])), composition.head(32))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.0, fused=True)
    losses = []
    for epoch in range(epochs):
        composition.on_epoch(epoch)
        total = 0.0
        for images, target in loader:
            inputs, target = composition.mix((composition.augment(images, target) - mean) / std, target)
            loss = composition.criterion(network(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
        losses.append(total / len(composition.sampler))
    return losses


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
    losses, network = own_loop(images, labels, epochs)
    same = with_a_data_loader(images, labels, epochs)
    for epoch, values in enumerate(zip(its_losses, losses, same, strict=True)):
        print(f"epoch {epoch}: imbtk run {values[0]:.6f}, own loop {values[1]:.6f}, DataLoader {values[2]:.6f}")
    if not its_losses == losses == same:
        raise SystemExit("the losses differ")
    print(f"the same to the bit in all {epochs} epochs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
