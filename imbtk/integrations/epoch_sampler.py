"""The order of an epoch as a torch ``Sampler``, one share for each process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Sampler

__all__ = ["EpochSampler"]


class EpochSampler(Sampler[int]):
    """Rows of the data set in the order of the current epoch.

    Parameters
    ----------
    rows : callable
        ``() -> (m,) int64``, this process's rows in the current epoch.
    begin : callable
        ``epoch -> None``, sets the epoch of the whole composition.
    rewind : callable
        ``() -> bool``, told that a pass begins; returns whether the current epoch was shown before.
    """

    def __init__(
        self,
        rows: Callable[[], torch.Tensor],
        begin: Callable[[int], None],
        rewind: Callable[[], bool],
        finish: Callable[[], None],
    ) -> None:
        self._rows, self._begin, self._rewind, self._finish = rows, begin, rewind, finish

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, as ``composition.on_epoch`` does: trainers that know only samplers call this."""
        self._begin(epoch)

    def __iter__(self) -> Iterator[int]:
        if self._rewind():
            warnings.warn(
                "the same epoch is drawn a second time, in the same order: call composition.on_epoch(epoch) (or "
                "sampler.set_epoch(epoch)) before each epoch.",
                stacklevel=2,
            )
        yield from self._rows().tolist()
        self._finish()

    def __len__(self) -> int:
        return len(self._rows())
