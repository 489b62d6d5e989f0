"""The loop: epochs of phases in their order, which one is kept, and when it ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imbtk.models.network import Network, parameter_groups
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.prepared import PreparedRun
from imbtk.training import loop
from imbtk.training.batches import Batches
from imbtk.training.config import EpochRecord, TrainingConfig
from imbtk.training.fitting import make_network
from imbtk.training.learner import Learner
from imbtk.training.loop import network_seed, train
from imbtk.training.setup import make_optimizer

CPU = torch.device("cpu")


def sgd(learner: Learner) -> torch.optim.Optimizer:
    return make_optimizer("sgd", parameter_groups(learner.network, 0.0, 0.1), CPU)


PLUGIN = '''
import torch
from imbtk import RunContext, Strategy, hookimpl


class Weighs(Strategy):
    """Weigh the second class."""

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return torch.tensor([1.0, 2.0])
'''


def prepared(*strategies: str, epochs: int = 4, **options: Any) -> PreparedRun:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 4 // 3
    x = (rng.normal(size=(120, 3)) + y[:, None]).astype(np.float32)
    config = make_config({"epochs": epochs, "batch_size": 16, "model": "linear", **options})
    return prepare(config, (x, y), list(strategies))


def trained(
    run: PreparedRun, on_epoch: Callable[[int, EpochRecord], None] | None = None, clock: Any = None, **settings: Any
) -> tuple[Network, list[EpochRecord]]:
    network = make_network(run)
    rows = run.data.split.validation
    history = train(
        network, sgd, run.plan.phases, Batches(run.data.dataset, run.data.normalisation, CPU),
        (rows, run.data.dataset.labels[rows]), TrainingConfig(seed=0, **settings), None,
        on_epoch=on_epoch or (lambda epoch, record: None), clock=clock or itertools.count().__next__,
    )  # fmt: skip
    return network, history


def test_epochs_go_phase_by_phase_and_each_has_its_record() -> None:
    run = prepared()
    told: list[int] = []
    _, history = trained(run, on_epoch=lambda epoch, record: told.append(epoch))
    assert [record["epoch"] for record in history] == told == [0, 1, 2, 3]
    assert {record["phase"] for record in history} == {0}
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert {"validation_log_loss", "validation_balanced_accuracy"} <= set(history[0])
    assert "kept" not in history[0]


def test_no_more_epochs_than_the_settings_allow() -> None:
    _, history = trained(prepared(), most_epochs=2)
    assert len(history) == 2
    # The schedule is that of the whole training, cut short.
    _, whole = trained(prepared())
    assert [record["lr"] for record in history] == [record["lr"] for record in whole[:2]]


def scripted(monkeypatch: pytest.MonkeyPatch, name: str, values: list[float]) -> list[dict[str, torch.Tensor]]:
    """Let validation find these metrics, epoch after epoch; return what the network was then."""
    states: list[dict[str, torch.Tensor]] = []

    def found(network: Network, *others: Any) -> dict[str, float]:
        states.append({key: value.clone() for key, value in network.state_dict().items()})
        return {f"validation_{name}": values[len(states) - 1]}

    monkeypatch.setattr(loop, "validate", found)
    return states


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("log_loss", [0.5, 0.3, 0.4, 0.3], 1),  # of losses the smallest, of equal ones the first
        ("balanced_accuracy", [0.5, 0.7, 0.9, 0.8], 2),
        ("corrected_log_loss", [0.4, 0.5, 0.6, 0.7], 0),
    ],
)
def test_the_best_epoch_is_kept(name: str, values: list[float], best: int, monkeypatch: pytest.MonkeyPatch) -> None:
    states = scripted(monkeypatch, name, values)
    network, history = trained(prepared(), early_stop=name)
    assert [record["kept"] for record in history] == [float(epoch == best) for epoch in range(4)]
    assert all(torch.equal(value, states[best][key]) for key, value in network.state_dict().items())
    assert not all(torch.equal(value, states[(best + 1) % 4][key]) for key, value in network.state_dict().items())


def test_patience_ends_training_and_without_it_all_epochs_are_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [0.5, 0.4, 0.45, 0.6, 0.3, 0.2]
    scripted(monkeypatch, "log_loss", values)
    _, history = trained(prepared(epochs=6), early_stop="log_loss", patience=2)
    assert len(history) == 4
    assert history[1]["kept"] == 1.0
    scripted(monkeypatch, "log_loss", values)
    _, history = trained(prepared(epochs=6), early_stop="log_loss")
    assert (len(history), history[5]["kept"]) == (6, 1.0)


def test_only_epochs_of_the_last_phase_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "weighs.py"
    plugin.write_text(PLUGIN)
    run = prepared("weighs@50%-", plugins=(str(plugin),))
    assert [phase.planned.phase.epochs for phase in run.plan.phases] == [2, 2]
    scripted(monkeypatch, "log_loss", [0.1, 0.1, 0.5, 0.4])
    _, history = trained(run, early_stop="log_loss")
    assert [record["phase"] for record in history] == [0, 0, 1, 1]
    assert [record["kept"] for record in history] == [0.0, 0.0, 0.0, 1.0]


def test_an_epochs_own_randomness_hangs_on_seed_and_epoch() -> None:
    seeds = [network_seed(seed, epoch) for seed in range(3) for epoch in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert network_seed(1, 4) == network_seed(1, 4)
    assert all(0 <= seed < 2**31 for seed in seeds)
