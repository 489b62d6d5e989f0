"""The training loop with five strategies against a hand-written loop that does the same arithmetic on the same batches.

Run it with ``python benchmarks/loop_overhead.py [--rounds 30]``. Rounds of the two are interleaved and the
fastest of each counts; what is printed is the ratio, imbtk over hand-written. Each round trains the same number of
epochs, validation included, from the same initial weights on the very same batches; at the end the weights are compared
bit by bit.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from imbtk.models.heads import LinearHead
from imbtk.models.network import build_network, parameter_groups
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training.batches import Batches
from imbtk.training.checkpoint import Checkpoint
from imbtk.training.config import TrainingConfig
from imbtk.training.learner import Learner
from imbtk.training.loop import train
from imbtk.training.memory import keep_memory
from imbtk.training.schedule import learning_rate_factor
from imbtk.training.setup import make_optimizer

STRATEGIES = (
    "stratified-split",
    "resample:method=RandomUnderSampler,sampling_strategy=0.25",
    "oversample:power=0.5",
    "class-weights:scheme=sqrt",
    "focal-loss:gamma=2",
)
PIXELS = 28 * 28


def data(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two overlapping Gaussians, 1:9; as images of 28 x 28 grey values if `features` is 784."""
    generator = np.random.default_rng(0)
    y = (generator.random(rows) < 0.1).astype(np.int64)
    x = (generator.normal(size=(rows, features)) + y[:, None] * 0.7).astype(np.float32)
    if features == PIXELS:
        return np.clip(128 + 30 * x, 0, 255).astype(np.uint8).reshape(rows, 1, 28, 28), y
    return x, y


def gatherer(prepared: PreparedRun) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return ``rows -> inputs``, as one would write it: a table is normalised once, images batch by batch."""
    x, normalisation = prepared.data.dataset.x, prepared.data.normalisation
    if x.dtype == torch.uint8:
        mean, std = (part.reshape(1, -1, 1, 1) for part in (normalisation.mean, normalisation.std))
        return lambda rows: torch.index_select(x, 0, rows).float().mul_(1 / 255).sub_(mean).div_(std)
    table = normalisation.apply(x)
    return lambda rows: torch.index_select(table, 0, rows)


def ours(prepared: PreparedRun, network: nn.Module, epochs: int, folder: Path) -> float:
    """Train with imbtk's loop; return seconds."""
    settings = TrainingConfig(seed=prepared.model.config.seed)
    batches = Batches(prepared.data.dataset, prepared.data.normalisation, prepared.model.device)
    validation = prepared.data.split.validation

    def optimizer(learner: Learner) -> torch.optim.Optimizer:
        return make_optimizer("adamw", parameter_groups(learner.network, 0.01, 1e-3), prepared.model.device)

    began = time.perf_counter()
    labels = prepared.data.dataset.labels[validation]
    train(network, optimizer, prepared.plan.phases, batches, (validation, labels), settings, Checkpoint(folder))
    return time.perf_counter() - began


def by_hand(prepared: PreparedRun, network: nn.Module, epochs: int, folder: Path) -> float:
    """Train with the loop that a user would write by hand; return seconds."""
    (phase,) = prepared.plan.phases
    gather = gatherer(prepared)
    eye = torch.eye(2)
    rows_of, labels_of, weights = phase.indices, phase.labels, phase.weights
    (focal,) = [item.strategy for item in phase.planned.items if item.strategy.name == "focal-loss"]
    criterion = focal.imbtk_criterion(phase.context)
    validation = prepared.data.split.validation
    labels_validation = prepared.data.dataset.labels[validation]
    size, step = prepared.model.config.batch_size, 0
    total = phase.steps * epochs
    began = time.perf_counter()
    optimizer = make_optimizer("adamw", parameter_groups(network, 0.01, 1e-3), prepared.model.device)
    for epoch in range(epochs):
        network.train()
        order = phase.order(epoch)
        rows, labels = rows_of[order], labels_of[order]
        loss_sum, seen = 0.0, 0
        for first in range(0, phase.steps * size, size):
            batch, label = rows[first : first + size], labels[first : first + size]
            inputs = gather(batch)
            target = torch.index_select(eye, 0, label)
            rate = 1e-3 * learning_rate_factor(step, total, "cosine", 0.05)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = (criterion(network.head(network.backbone(inputs)), target) * (target @ weights)).mean()
            value = loss.item()
            if not np.isfinite(value):
                raise FloatingPointError(f"loss {value}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            loss_sum += value * len(label)
            seen += len(label)
        network.eval()
        with torch.no_grad():
            logits = torch.cat([network(gather(part)) for part in torch.split(validation, 256)])
        losses = F.cross_entropy(logits, labels_validation, reduction="none").double()
        hits = (logits.argmax(1) == labels_validation).double()
        support = torch.bincount(labels_validation, minlength=2)
        per_class = [float(v[labels_validation == k].mean()) for v in (losses, hits) for k in range(len(support))]
        if not np.isfinite(per_class).all():
            raise FloatingPointError(f"epoch {epoch}: {loss_sum / seen}")
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()}, folder / "last.ckpt")
    return time.perf_counter() - began


def rows_for(features: int) -> int:
    """Return how many rows to train on: images take longer."""
    return 2000 if features == PIXELS else 8000


def compare(model: str, batch_size: int, features: int, epochs: int, rounds: int) -> tuple[float, float, bool]:
    """Return (seconds of ours, seconds by hand, whether the weights are the same to the bit)."""
    config = make_config(
        {"strategies": STRATEGIES, "model": model, "epochs": epochs, "batch_size": batch_size, "device": "cpu"}
    )
    prepared = prepare(config, data(rows_for(features), features))
    start = build_network(
        prepared.model.spec, prepared.data.dataset.sample_shape, lambda width: LinearHead(width, 2), seed=0
    )
    best = {ours: float("inf"), by_hand: float("inf")}
    states = {}
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            for run in (ours, by_hand) if number % 2 else (by_hand, ours):  # neither always comes second
                network = copy.deepcopy(start)
                best[run] = min(best[run], run(prepared, network, epochs, Path(name)))
                states[run] = network.state_dict()
    same = all(torch.equal(states[ours][key], states[by_hand][key]) for key in states[ours])
    return best[ours], best[by_hand], same


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_memory()  # as in every run; for both alike
    print(
        f"torch {torch.__version__}, {arguments.threads} thread(s), fastest of {arguments.rounds} interleaved rounds\n"
    )
    print("| model | batch | features | steps | imbtk / by hand | µs a step by hand | same weights |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model, batch_size, features, epochs in (
        ("mlp", 32, 16, 6),
        ("mlp", 256, 64, 40),
        ("linear", 32, 16, 6),
        ("small-cnn", 32, PIXELS, 6),
    ):
        mine, hand, same = compare(model, batch_size, features, epochs, arguments.rounds)
        config = make_config(
            {"strategies": STRATEGIES, "model": model, "epochs": epochs, "batch_size": batch_size, "device": "cpu"}
        )
        steps = prepare(config, data(rows_for(features), features)).plan.phases[0].steps * epochs
        print(
            f"| {model} | {batch_size} | {features} | {steps} | {mine / hand:.3f} | {hand / steps * 1e6:.0f} | "
            f"{'yes' if same else 'NO'} |"
        )


if __name__ == "__main__":
    main()
