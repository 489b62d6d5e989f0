"""``imbtk.run``: what it takes from a configuration, and what it leaves as it was."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import imbtk
from imbtk import RunContext, Strategy, hookimpl
from imbtk.comparison.entry import prepare_any
from imbtk.errors import OptionError, PlanError
from imbtk.planning.config import make_config, read_config


def test_the_configuration_repeats_the_run_and_options_go_on_top(tmp_path: Path) -> None:
    first = imbtk.run("builtin:breast-cancer", epochs=2, lr=0.01, model="linear", out=str(tmp_path / "a"), quiet=True)
    config = make_config(read_config(first.folder / "config.toml"))
    again = imbtk.run(config=config, out=str(tmp_path / "b"), quiet=True)
    for name in ("metrics.json", "model/weights.safetensors", "model/model.json"):
        assert (again.folder / name).read_bytes() == (first.folder / name).read_bytes()
    with pytest.raises(OptionError, match=r"'batch_size' \(given: 0\)"):
        imbtk.run(config=config, batch_size=0)


def test_a_row_without_a_comparison() -> None:
    with pytest.raises(OptionError, match=re.escape("'row' (given: 'x') is one of a comparison: say of which, --from")):
        imbtk.run("builtin:digits", row="x")


class Looks(Strategy):
    """Look at the number of threads, and refuse the run."""

    def check_run(self, context: RunContext) -> None:
        raise PlanError(f"{torch.get_num_threads()} threads are at work.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return torch.ones(context.num_classes)


def test_threads_are_set_for_the_run_and_put_back_when_it_fails() -> None:
    data, before = (np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2), torch.get_num_threads()
    for threads in (before + 1, None):
        with pytest.raises(PlanError, match=f"{threads or before} threads are at work"):
            imbtk.run(data, [Looks()], threads=threads, quiet=True)
        assert torch.get_num_threads() == before


def test_data_and_strategies_that_are_objects_go_before_those_of_the_configuration() -> None:
    config = make_config({"data": "builtin:digits", "strategies": ["no-such"], "model": "linear", "epochs": 1})
    data = (np.random.default_rng(0).normal(size=(60, 3)), np.array(["a", "b"])[np.arange(60) % 2])
    prepared = prepare_any(config, data, [])
    assert prepared.data.dataset.class_names == ("a", "b")
    assert prepared.model.config.strategies == ()
