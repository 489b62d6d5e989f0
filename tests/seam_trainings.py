"""Small trainings of plans on the seams of a training, for its tests; importable by the processes that tests start."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from seam_strategies import Average, SecondStage, TwoBranches

from imbtk import Strategy
from imbtk.models.network import Network
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training.batches import Batches
from imbtk.training.fitting import make_network
from imbtk.training.loop import train
from imbtk.training.settling import training_config
from imbtk.training.setup import optimizer_for


def prepared(*strategies: Any, epochs: int = 2, **options: Any) -> PreparedRun:
    generator = np.random.default_rng(0)
    y = np.arange(160) % 4 // 3
    x = (generator.normal(size=(160, 5)) + y[:, None]).astype(np.float32)
    config = make_config({"epochs": epochs, "batch_size": 16, "model": "mlp", "device": "cpu", **options})
    return prepare(config, (x, y), list(strategies))


def trained(run: PreparedRun, wrap: Any = lambda learner: learner, **changes: Any) -> Network:
    torch.manual_seed(0)
    network = make_network(run)
    rows = run.data.split.validation
    train(
        network,
        lambda learner: optimizer_for(learner, run.model.config, run.model.device),
        run.plan.phases,
        Batches(run.data.dataset, run.data.normalisation, run.model.device),
        (rows, run.data.dataset.labels[rows]),
        dataclasses.replace(training_config(run, network), **changes),
        wrap=wrap,
    )
    return network


def alike(one: Network, other: dict[str, torch.Tensor], tolerance: float = 1e-6) -> None:
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=tolerance)


PLANS: list[list[Strategy | str]] = [["class-weights"], [TwoBranches(), "class-weights"], [Average(), SecondStage()]]


def rank_of_two(rank: int, port: int, found: Any) -> None:
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    for number, plan in enumerate(PLANS):
        wrap = torch.nn.parallel.DistributedDataParallel
        network = trained(prepared(*plan), wrap, rank=rank, world_size=2)
        found[rank, number] = {name: value.numpy() for name, value in network.state_dict().items()}
    torch.distributed.destroy_process_group()
