"""Networks that cannot learn from a batch of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import imbtk
from imbtk import Rows, RunContext, Strategy, hookimpl
from imbtk.errors import OptionError, PluginError
from imbtk.models.batch_size import check_smallest_batch
from imbtk.models.network import Network


class FewRows(Strategy):
    """Keep one training row."""

    @hookimpl
    def imbtk_resample(self, rows: Rows, context: RunContext) -> Rows:
        return rows.take(torch.tensor([0]))


class OneByOne(nn.Module):
    """A convolution that leaves maps of 1x1, and batch norm on them."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(shape[0], 4, shape[1])
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(images)).flatten(1)


def network(layer: nn.Module) -> Network:
    return Network(nn.Sequential(nn.Linear(3, 4), layer), nn.Linear(4, 2), (3,), "mine")


def images(rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).integers(0, 256, (rows, 8, 8), dtype=np.uint8)
    return x, np.arange(rows) % 2


def test_layer_and_smallest_batch_are_named() -> None:
    model = network(nn.BatchNorm1d(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(
        OptionError, match=r"batch_size' \(given: 1\): model 'mine'.*layer 'backbone.1' \(BatchNorm1d\).*2 or"
    ):
        check_smallest_batch(model, 1, 1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    check_smallest_batch(model, 2, 2)
    check_smallest_batch(network(nn.LayerNorm(4)), 1, 1)


def test_what_no_batch_size_mends_says_what_failed() -> None:
    with pytest.raises(PluginError, match=r"model 'mine' fails in training on a batch of 2, at layer 'backbone.1'"):
        check_smallest_batch(network(nn.Linear(5, 4)), 64, 64)


def test_a_frozen_backbone_learns_nothing_and_needs_no_second_sample() -> None:
    model = network(nn.BatchNorm1d(4))
    model.freeze("backbone")
    check_smallest_batch(model, 1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, r"'batch_size' \(given: 1\).*layer 'backbone.norm' \(BatchNorm2d\).*Write 2 or more"),
        ({"strategies": [FewRows()]}, r"smallest batch of an epoch has 1 of 64 rows.*'backbone.norm'"),
    ],
)
def test_a_run_is_refused_before_training(options: Any, message: str, tmp_path: Path) -> None:
    model = f"{__name__}:OneByOne"
    with pytest.raises(OptionError, match=message):
        imbtk.run(images(), model=model, epochs=1, quiet=True, out=str(tmp_path / "run"), **options)
    assert not list(tmp_path.iterdir())


def test_a_last_batch_of_one_row_is_left_out(tmp_path: Path) -> None:
    # 33 training rows in batches of 32.
    run = imbtk.run(
        images(51), model=f"{__name__}:OneByOne", epochs=1, batch_size=32, quiet=True, out=str(tmp_path / "r")
    )
    plan = json.loads((run.folder / "plan.json").read_text())
    assert [(phase["samples_per_epoch"], phase["steps_per_epoch"]) for phase in plan["phases"]] == [(33, 1)]
    assert len(run.history) == 1
