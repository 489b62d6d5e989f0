"""The losses of an epoch: few looks, the same metrics, and what is not finite found all the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import imbtk
from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.errors import TrainingError
from imbtk.models.network import parameter_groups
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training import loop
from imbtk.training.batches import Batches
from imbtk.training.checkpoint import load_checkpoint
from imbtk.training.config import TrainingConfig
from imbtk.training.fitting import make_network
from imbtk.training.learner import Learner
from imbtk.training.loop import train
from imbtk.training.setup import make_optimizer


class Looks(TorchDispatchMode):
    """Count what makes a program wait for a GPU: a number, or a whole tensor, that Python reads."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Breaks(Strategy):
    """Cross-entropy that is not finite for one row from some epoch on."""

    row: int = option(0, "Row of the data set.")
    epoch: int = option(1, "Epoch, from 0.")

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Any:
        def loss(logits: torch.Tensor, target: torch.Tensor, *, rows: torch.Tensor, epoch: int) -> torch.Tensor:
            plain = torch.nn.functional.cross_entropy(logits, target, reduction="none")
            bad = (rows == self.row) & (epoch >= self.epoch)
            return plain * torch.where(bad, torch.inf, 1.0)

        return loss


def table() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = np.arange(400) % 4 // 3
    return (generator.normal(size=(400, 4)) + y[:, None]).astype(np.float32), y


def history(tmp_path: Path, name: str) -> list[dict[str, float]]:
    run = imbtk.run(table(), epochs=3, batch_size=16, quiet=True, out=str(tmp_path / name))
    return [{key: value for key, value in record.items() if "second" not in key} for record in run.history]


def test_looking_now_and_then_gives_the_same_figures_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = history(tmp_path, "each")
    monkeypatch.setattr(loop, "looking_is_free", lambda device: False)
    assert history(tmp_path, "some") == each


def trained(rows: int, clock: Any, shown: list[int]) -> int:
    """Train one epoch in batches of one; return how many numbers Python read of tensors."""
    x, y = table()
    prepared = prepare(make_config({"epochs": 1, "batch_size": 1, "model": "linear"}), (x[:rows], y[:rows]))
    network = make_network(prepared)

    def optimizer(learner: Learner) -> torch.optim.Optimizer:
        return make_optimizer("adamw", parameter_groups(learner.network, 0.0, 1e-3), torch.device("cpu"))

    batches = Batches(prepared.data.dataset, prepared.data.normalisation, torch.device("cpu"))
    nothing = torch.empty(0, dtype=torch.int64)

    def on_step(step: int, total: int, loss: float) -> None:
        shown.append(step)

    with Looks() as looks:
        train(
            network, optimizer, prepared.plan.phases, batches, (nothing, nothing), TrainingConfig(seed=0), None,
            on_step=on_step, clock=clock,
        )  # fmt: skip
    assert len(prepared.data.split.train) == rows * 0.64
    return looks.count


def test_a_step_on_a_gpu_reads_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count()

    def slow() -> float:
        return next(now) * 1e-6

    assert trained(400, slow, []) - trained(200, slow, []) == 128
    monkeypatch.setattr(loop, "looking_is_free", lambda device: False)
    assert trained(400, slow, []) == trained(200, slow, [])


def test_progress_is_shown_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "looking_is_free", lambda device: False)
    shown: list[int] = []
    now = itertools.count()
    # A hundredth of a second between two looks at the clock, of which each step takes one.
    trained(200, lambda: next(now) / 100, shown)
    assert set(np.diff(shown)) <= {10, 11}
    assert len(shown) == 128 // 10 - 1


@pytest.mark.parametrize("free", [True, False])
def test_what_is_not_finite_is_found_and_the_state_before_it_kept(
    free: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "looking_is_free", lambda device: free)
    monkeypatch.setattr("imbtk.training.checkpoint.SECONDS_BETWEEN_COPIES", 0.0)
    x, y = table()
    good = imbtk.run((x, y), epochs=1, batch_size=16, schedule="constant", quiet=True, out=str(tmp_path / "good"))
    row = int(pd.read_csv(good.folder / "split.csv").query("split == 'train'")["row"].iloc[7])
    message = (
        rf"not finite in epoch 2, step \d+: rows {row}\. .* The last good state is kept in .*: the one after 1 epoch"
    )
    with pytest.raises(TrainingError, match=message) as caught:
        imbtk.run(
            (x, y), [Breaks(row=row)], epochs=2, batch_size=16, schedule="constant", warmup=0.0, quiet=True,
            out=str(tmp_path / "bad"),
        )  # fmt: skip
    state = load_checkpoint(tmp_path / "bad.unfinished" / "checkpoint")
    assert state["epochs_done"] == len(state["history"]) == 1
    assert all(bool(value.isfinite().all()) for value in state["network"].values())
    # The step that is named is where the row stands in the epoch's order.
    prepared = prepare(make_config({"epochs": 2, "batch_size": 16}), (x, y))
    order = prepared.plan.phases[0].indices[prepared.plan.phases[0].order(1)]
    place = int((order == row).nonzero())
    assert f"step {place // 16 + 1}:" in str(caught.value)


def test_the_state_before_a_bad_step_is_that_of_a_run_that_ended_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "looking_is_free", lambda device: False)
    monkeypatch.setattr("imbtk.training.checkpoint.SECONDS_BETWEEN_COPIES", 0.0)
    options: dict[str, Any] = {"batch_size": 16, "schedule": "constant", "warmup": 0.0, "lr": 0.01, "quiet": True}
    options["weight_decay"] = 0.0
    good = imbtk.run(table(), epochs=1, **options, out=str(tmp_path / "good"))
    row = int(pd.read_csv(good.folder / "split.csv").query("split == 'train'")["row"].iloc[0])
    with pytest.raises(TrainingError):
        imbtk.run(table(), [Breaks(row=row)], epochs=2, **options, out=str(tmp_path / "bad"))
    kept = load_checkpoint(tmp_path / "bad.unfinished" / "checkpoint")["network"]
    whole = load_checkpoint(good.folder / "checkpoint")["network"]
    assert kept.keys() == whole.keys()
    assert all(torch.equal(kept[name], whole[name]) for name in kept)
