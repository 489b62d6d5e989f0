"""A run that is killed after an epoch and resumed, beside the same run left alone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from imbtk import Strategy
from imbtk.pipeline.prepare import prepare
from imbtk.planning.config import make_config
from imbtk.planning.plan import StrategyLike
from imbtk.training import checkpoint
from imbtk.training.config import EpochRecord
from imbtk.training.fitting import Fitted, fit, make_network

_OF_THE_CLOCK = ("seconds", "samples_per_second")


class _KilledError(Exception):
    pass


def resumed_equals_uninterrupted(strategies: Sequence[StrategyLike], **options: Any) -> bool:
    """Return whether weights and history are the same to the bit, whichever epoch the run is killed after.

    Parameters
    ----------
    strategies : sequence
        Names, or instances, of which copies are taken.
    options : object
        Fields of the configuration, three epochs of the digits with a small perceptron unless they say otherwise;
        ``data`` may be arrays.
    """
    settings = {"data": "builtin:digits", "epochs": 3, "model": "mlp", "device": "cpu", "precision": "fp32", **options}
    whole = _run(strategies, settings)
    assert whole is not None
    return all(
        _same(whole, _killed_and_resumed(strategies, settings, epoch)) for epoch in range(settings["epochs"] - 1)
    )


def _killed_and_resumed(strategies: Sequence[StrategyLike], settings: dict[str, Any], epoch: int) -> Fitted | None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(checkpoint, "SECONDS_BETWEEN", 0.0):
        assert _run(strategies, settings, Path(folder), killed_after=epoch) is None
        state = checkpoint.load_checkpoint(Path(folder))
    assert state["epochs_done"] == epoch + 1
    return _run(strategies, settings, resume=state)


def _run(
    strategies: Sequence[StrategyLike],
    settings: dict[str, Any],
    folder: Path | None = None,
    killed_after: int | None = None,
    resume: dict[str, Any] | None = None,
) -> Fitted | None:
    arrays = not isinstance(settings["data"], str)
    config = make_config({key: value for key, value in settings.items() if key != "data" or not arrays})
    fresh = [entry.clone() if isinstance(entry, Strategy) else entry for entry in strategies]
    prepared = prepare(config, settings["data"] if arrays else None, fresh)

    def on_epoch(epoch: int, record: EpochRecord) -> None:
        # The state of an epoch is saved after this is called: an epoch later the one before is on disk.
        if killed_after is not None and epoch == killed_after + 1:
            raise _KilledError

    try:
        kept = None if folder is None else checkpoint.Checkpoint(folder)
        return fit(prepared, make_network(prepared), kept, on_epoch, resume=resume)
    except _KilledError:
        return None


def _same(one: Fitted, other: Fitted | None) -> bool:
    if other is None:
        return False
    weights, others = one.network.state_dict(), other.network.state_dict()
    same = weights.keys() == others.keys() and all(torch.equal(weights[key], others[key]) for key in weights)
    return same and _timeless(one) == _timeless(other)


def _timeless(fitted: Fitted) -> list[EpochRecord]:
    return [{k: v for k, v in record.items() if k not in _OF_THE_CLOCK} for record in fitted.history]
