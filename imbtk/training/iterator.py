"""The rows of an epoch's batches, for one process or one of several: a run and a loop of one's own go through here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from imbtk.errors import PlanError
from imbtk.planning.phases import BuiltPhase, rows_shown

__all__ = ["BatchRows", "Share", "batch_rows"]


class BatchRows(NamedTuple):
    """The rows of a batch, each (B,) int64: of the data set (-1 if made up), their labels, and where to gather them."""

    rows: torch.Tensor
    labels: torch.Tensor
    places: torch.Tensor


def batch_rows(
    phase: BuiltPhase, order: torch.Tensor, size: int, samples: int, places_on: torch.device, labels_on: torch.device
) -> list[BatchRows]:
    """Return the rows of each batch of an epoch.

    Parameters
    ----------
    phase : BuiltPhase
    order : Tensor of int64, shape (m,)
        Places in the phase's rows.
    size : int
        Rows in a batch.
    samples : int
        How many samples there are to gather from, made-up ones last.
    places_on, labels_on : torch.device
        Where they are needed: once for the epoch, since a copy to a GPU in each step would be one more thing to wait
        for.
    """
    rows = torch.index_select(phase.indices, 0, order)
    labels = torch.index_select(phase.labels, 0, order).to(labels_on)
    places = rows
    if len(phase.synthetic):
        # Made-up rows stand last among the phase's rows, as among the samples.
        places = torch.where(rows >= 0, rows, order + (samples - len(phase.indices)))
    parts = (torch.split(part, size) for part in (rows, labels, places.to(places_on)))
    return [BatchRows(*batch) for batch in zip(*parts, strict=True)]


class Share:
    """The share of one process in an epoch: ``order[rank::world_size]`` of the global order, and how far it has come.

    Parameters
    ----------
    rank, world_size : int
    batch_size : int
        Samples in a batch of this process.

    Notes
    -----
    All processes have equally many samples: the last up to ``world_size - 1`` of the global order are left out (others
    in each epoch, since the order is drawn anew), nothing is shown twice. A last batch of a single sample is left out,
    as in a run, since batch norm cannot learn from it.
    """

    def __init__(self, rank: int, world_size: int, batch_size: int) -> None:
        self.rank, self.world_size, self.batch_size = rank, world_size, batch_size
        self.shown = False
        self._taken: dict[str, int] = {}

    def part(self, order: torch.Tensor) -> torch.Tensor:
        """Return the share in a global order (M,): every `world_size`-th of it, equally many for all."""
        length = rows_shown(len(order) // self.world_size, self.batch_size)
        return order[self.rank :: self.world_size][:length]

    def positions(self, first: int, count: int) -> np.ndarray:
        """Return the global positions (count,) of the samples from `first` on among those of this process."""
        places: np.ndarray = self.rank + self.world_size * np.arange(first, first + count)
        return places

    def begin(self, phase: BuiltPhase, epoch: int) -> None:
        """Stand at the start of an epoch."""
        self.phase, self.epoch, self.shown = phase, epoch, False
        self._order: torch.Tensor | None = None
        self.rewind()

    def rewind(self) -> None:
        """Stand at the start of the same epoch."""
        self._taken = {}

    def __len__(self) -> int:
        """Return the number of samples of this process in an epoch."""
        return rows_shown(self.phase.order_length // self.world_size, self.batch_size)

    @property
    def order(self) -> torch.Tensor:
        """Places in the phase's rows, (m,) int64, in the order in which this process sees them."""
        if self._order is None:
            self._order = self.part(self.phase.order(self.epoch))
        return self._order

    @property
    def rows(self) -> torch.Tensor:
        """Rows of the data, (m,) int64.

        Raises
        ------
        PlanError
            If strategies made up rows, which no data set of the user's holds.
        """
        if len(self.phase.synthetic):
            names = ", ".join(f"'{item}'" for item in self.phase.planned.items)
            raise PlanError(
                f"the plan ({names}) makes up {len(self.phase.synthetic)} rows, which your data set does not hold: "
                "iterate over composition.batches(x, y, epoch) instead of a DataLoader with composition.sampler."
            )
        return self.phase.indices[self.order]

    def take(self, who: str, count: int) -> np.ndarray:
        """Return the global positions of the next `count` samples, (count,) int64; each `who` has a place of its own.

        Raises
        ------
        PlanError
            If the epoch has no such samples any more.
        """
        first = self._taken.get(who, 0)
        if first + count > len(self):
            raise PlanError(
                f"{who} was called for {first + count} samples in epoch {self.epoch}, which has {len(self)}: call "
                "composition.on_epoch(epoch) before each epoch, and "
                f"{who} once for each training batch, in order (or with positions=)."
            )
        self._taken[who] = first + count
        return self.positions(first, count)
