"""A training epoch of `small-cnn`: as imbtk trains it by itself, with settings by hand, with a loader and a loop.

Run it with ``python benchmarks/epoch_speed.py [--rounds 8] [--rows 4000] [--threads 2]``. The loop by hand is what a
user writes without imbtk: a ``Dataset`` of uint8 images, a ``DataLoader`` with two workers that stay, AdamW, full
precision. All train the same network on the same number of rows; rounds are interleaved and the fastest epoch of each
counts. What is printed are ratios of one run: how many times as fast as the loop by hand.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import time
from collections.abc import Callable
from itertools import product
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training.batches import Batches
from imbtk.training.config import TrainingConfig
from imbtk.training.fitting import make_network
from imbtk.training.learner import Learner
from imbtk.training.loop import train
from imbtk.training.memory import keep_memory
from imbtk.training.settling import settled, training_config
from imbtk.training.setup import optimizer_for

SHAPES = ((28, 28), (64, 64, 3))
EPOCHS = 40
"""Of the run whose settings are chosen: long enough to be tried."""


class Images(TensorDataset):
    """Images as a user's data set gives them: one at a time, uint8 to normalised float."""

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (C, H, W) float32 and the class."""
        image, label = (tensor[row] for tensor in self.tensors)
        return (image.float() / 255 - 0.5) / 0.25, label


def prepared_run(shape: tuple[int, ...], rows: int, epochs: int) -> PreparedRun:
    """Return a run on random images, checked and ready to train."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (rows, *shape), dtype=np.uint8)
    y = (generator.random(rows) < 0.2).astype(np.int64)
    return prepare(make_config({"model": "small-cnn", "epochs": epochs, "device": "cpu"}), (x, y))


def ours(run: PreparedRun, start: Network, settings: TrainingConfig) -> Callable[[], float]:
    """Return ``() -> seconds`` of an epoch of imbtk's loop."""
    batches, nothing = (
        Batches(run.data.dataset, run.data.normalisation, run.model.device),
        torch.empty(0, dtype=torch.int64),
    )

    def epoch() -> float:
        network = copy.deepcopy(start)

        def optimizer(learner: Learner) -> torch.optim.Optimizer:
            return optimizer_for(learner, run.model.config, run.model.device)

        (record,) = train(network, optimizer, run.plan.phases, batches, (nothing, nothing), settings, None)
        return record["seconds"]

    return epoch


def by_hand(run: PreparedRun, start: Network) -> Callable[[], float]:
    """Return ``() -> seconds`` of an epoch of a loader with two workers and a plain loop."""
    rows = run.data.split.train
    images = Images(run.data.dataset.x[rows], run.data.dataset.labels[rows])
    loader = DataLoader(images, run.model.config.batch_size, shuffle=True, num_workers=2, persistent_workers=True)
    network: nn.Module = copy.deepcopy(start)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def epoch() -> float:
        began = time.perf_counter()
        network.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), y)
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(y)
        return time.perf_counter() - began

    return epoch


def compare(shape: tuple[int, ...], rows: int, rounds: int) -> tuple[dict[str, float], str]:
    """Return the seconds of an epoch for each way to train, and what imbtk chose."""
    run = prepared_run(shape, rows, 1)
    start = make_network(run)
    plain = dataclasses.replace(training_config(run, start), precision="fp32")
    ways: dict[str, Any] = {"a loader with two workers, a loop by hand": by_hand(run, start)}
    precisions: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")
    for precision, last in product(precisions, (False, True)):
        name = f"{precision}, {'channels-last' if last else 'contiguous'}"
        ways[name] = ours(run, start, dataclasses.replace(plain, precision=precision, channels_last=last))
    chosen = settled(prepared_run(shape, rows, EPOCHS), start)
    ways["imbtk by itself"] = ours(run, start, training_config(chosen, start))
    best = dict.fromkeys(ways, float("inf"))
    for number in range(rounds):
        for name in list(ways) if number % 2 else reversed(list(ways)):  # none always comes second
            best[name] = min(best[name], ways[name]())
    words = "not tried" if chosen.speed is None else f"{chosen.config.precision}, {chosen.config.memory_format}"
    return best, words


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_memory()  # as in every run; for all alike
    print(
        f"torch {torch.__version__}, {arguments.threads} thread(s), fastest of {arguments.rounds} interleaved rounds\n"
    )
    print(
        "| images | way to train | times as fast as the loop by hand | of the best by hand |\n| --- | --- | --- | --- |"
    )
    for shape in SHAPES:
        best, words = compare(shape, arguments.rows, arguments.rounds)
        hand = next(iter(best.values()))
        fastest = min(list(best.values())[1:-1])
        for name, seconds in best.items():
            name += f" ({words})" if name == "imbtk by itself" else ""
            print(f"| {'x'.join(map(str, shape))} | {name} | {hand / seconds:.2f} | {fastest / seconds:.0%} |")


if __name__ == "__main__":
    main()
