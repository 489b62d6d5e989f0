"""From a prepared run to what it trains: one network, or several that predict as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from imbtk.models.ensemble import Ensemble
from imbtk.models.network import Network
from imbtk.planning.prepared import PreparedRun
from imbtk.training.checkpoint import Checkpoint
from imbtk.training.config import EpochRecord
from imbtk.training.fitting import Fitted, fit, make_network

__all__ = ["fit_all", "make_networks"]

EPOCH_COLUMN = "member"
"""The column of ``history.csv`` that tells members apart, from 1."""


def make_networks(prepared: PreparedRun) -> tuple[Network, ...]:
    """Return the networks that a run trains: one, or one for each member."""
    return tuple(make_network(run) for run in prepared.trainings)


def fit_all(
    prepared: PreparedRun,
    networks: Sequence[Network],
    checkpoints: Path | None = None,
    on_epoch: Callable[[int, EpochRecord, PreparedRun], None] = lambda epoch, record, run: None,
    on_step: Callable[[int, int, float], None] | None = None,
    on_member: Callable[[int, int], None] = lambda number, total: None,
    most_epochs: int | None = None,
) -> Fitted:
    """Train all that a run consists of, one after the other, in place.

    Parameters
    ----------
    prepared : PreparedRun
    networks : sequence of Network
        From :func:`make_networks`.
    checkpoints : Path, optional
        Folder of the checkpoint; each member has a folder of its own in it.
    on_epoch : callable
        ``(epoch, record, run)``, with the run whose epoch it was: a member's strategies are its own.
    on_step, most_epochs
        As in :func:`imbtk.training.fitting.fit`.
    on_member : callable
        ``(number, total)``, from 1, before each member is trained.
    """
    if not prepared.members:
        checkpoint = None if checkpoints is None else Checkpoint(checkpoints)

        def alone(epoch: int, record: EpochRecord) -> None:
            on_epoch(epoch, record, prepared)

        return fit(prepared, networks[0], checkpoint, alone, on_step, most_epochs)
    parts: list[Fitted] = []
    for number, (run, network) in enumerate(zip(prepared.trainings, networks, strict=True), 1):
        on_member(number, len(networks))
        checkpoint = None if checkpoints is None else Checkpoint(checkpoints / f"member-{number}")

        def of_member(epoch: int, record: EpochRecord, run: PreparedRun = run) -> None:
            on_epoch(epoch, record, run)

        parts.append(fit(run, network, checkpoint, of_member, on_step, most_epochs))
    history = [{EPOCH_COLUMN: float(n), **record} for n, part in enumerate(parts, 1) for record in part.history]
    shortest = min(len(part.prepared.plan.phases) for part in parts)
    plan = dataclasses.replace(prepared.plan, phases=prepared.plan.phases[:shortest])
    ensemble = Ensemble([part.network for part in parts])
    return Fitted(ensemble, dataclasses.replace(prepared, plan=plan), history, parts[0].batches, tuple(parts))
