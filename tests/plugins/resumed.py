"""A training that is killed after an epoch and resumed, beside one that is not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.training import checkpoint
from imbtk.training.checkpoint import Checkpoint, load_checkpoint
from imbtk.training.fitting import Fitted, fit, make_network

_CLOCKS = ("seconds", "samples_per_second")


class _Killed(Exception):
    pass


def resumed_equals_uninterrupted(strategies: list[str], **options: Any) -> bool:
    """Assert that a training killed after any of its epochs and resumed ends with the same network and history.

    Parameters
    ----------
    strategies : list of str
        As a user writes them.
    **options
        Of the run; by default three epochs of ``mlp`` on a small table.
    """
    given = {"data": "builtin:breast-cancer", "model": "mlp", "epochs": 3, "seed": 1, "device": "cpu", **options}
    given = {"precision": "fp32", "batch_size": 64, **given, "strategies": strategies}
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(checkpoint, "SECONDS_BETWEEN", 0.0):
        whole = _trained(given, Path(folder) / "whole")
        assert whole is not None
        for epoch in range(given["epochs"] - 1):
            killed = Path(folder) / f"killed after {epoch}"
            assert _trained(given, killed, kill_after=epoch) is None
            state = load_checkpoint(killed)
            assert state["epochs_done"] == epoch + 1
            again = _trained(given, Path(folder) / f"resumed after {epoch}", resume=state)
            assert again is not None
            expected, found = whole.network.state_dict(), again.network.state_dict()
            assert expected.keys() == found.keys()
            differing = [name for name, value in expected.items() if not torch.equal(value, found[name])]
            assert not differing, f"resumed after epoch {epoch}, these differ: {differing}"
            assert _without_clocks(again) == _without_clocks(whole)
    return True


def _trained(given: dict[str, Any], folder: Path, kill_after: int | None = None, resume: Any = None) -> Fitted | None:
    def on_epoch(epoch: int, record: Any) -> None:
        if kill_after is not None and epoch == kill_after + 1:  # the state after the one before is on disk by now
            raise _Killed

    prepared = prepare(make_config(given))
    try:
        return fit(prepared, make_network(prepared), Checkpoint(folder), on_epoch, resume=resume)
    except _Killed:
        return None


def _without_clocks(fitted: Fitted) -> list[dict[str, float]]:
    return [{key: value for key, value in record.items() if key not in _CLOCKS} for record in fitted.history]
