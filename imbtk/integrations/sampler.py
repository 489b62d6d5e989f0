"""Where one process stands in the global order of an epoch, and that order as a torch ``Sampler``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import Sampler

from imbtk.errors import PlanError
from imbtk.planning.phases import BuiltPhase, rows_shown

__all__ = ["EpochSampler", "Share"]


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
            self._order = self.phase.order(self.epoch)[self.rank :: self.world_size][: len(self)]
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
        return self.rank + self.world_size * np.arange(first, first + count)


class EpochSampler(Sampler[int]):
    """Rows of the data in the order of the current epoch, for ``DataLoader(..., sampler=)``.

    Parameters
    ----------
    share : Share
    begin : callable
        ``epoch -> None``, sets the epoch of the whole composition.
    """

    def __init__(self, share: Share, begin: Callable[[int], None]) -> None:
        self._share, self._begin = share, begin

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, as ``composition.on_epoch`` does: trainers that know only samplers call this."""
        self._begin(epoch)

    def __iter__(self) -> Iterator[int]:
        share = self._share
        if share.shown:
            warnings.warn(
                f"epoch {share.epoch} is shown a second time, in the same order: call composition.on_epoch(epoch) "
                "before each epoch.",
                stacklevel=2,
            )
        share.rewind()
        yield from share.rows.tolist()
        share.shown = True

    def __len__(self) -> int:
        """Return the number of samples of this process in the current epoch."""
        return len(self._share)
