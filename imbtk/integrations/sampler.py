"""The order of an epoch as a torch ``Sampler``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

from torch.utils.data import Sampler

from imbtk.training.iterator import Share

__all__ = ["EpochSampler"]


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
