"""Rows to batches: one gather, one cast, one augmentation call; nothing is copied that an index can say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.data.normalise import Normalisation, in_unit
from imbtk.planning.phases import BuiltPhase
from imbtk.training.iterator import BatchRows, batch_rows

__all__ = ["Batches", "PhaseBatches"]


class Batches:
    """The samples of a data set, ready to be gathered on the device.

    Parameters
    ----------
    dataset : Dataset
    normalisation : Normalisation
        Fitted on training rows.
    device : torch.device
        Images go there whole if they take less than 40 % of its free memory.
    """

    def __init__(self, dataset: Dataset, normalisation: Normalisation, device: torch.device) -> None:
        self.device, self.kind = device, dataset.kind
        self.num_classes = dataset.num_classes
        self.normalisation = normalisation
        if dataset.kind == "table":
            self._x = normalisation.apply(dataset.x).to(device)
        else:
            self._x = dataset.x.to(device) if _fits(dataset.x, device) else dataset.x
            # As float32 on the device, once: each batch subtracts the mean and divides by the deviation.
            shape = (1, -1, 1, 1)
            self._std = normalisation.std.to(device, torch.float32).reshape(shape)
            self._mean = normalisation.mean.to(device, torch.float32).reshape(shape)
        self._one_hot = torch.eye(dataset.num_classes, device=device)

    def samples(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the model's input for rows of the data set, without augmentation: (B, ...) float32."""
        if self.kind == "table":
            return torch.index_select(self._x, 0, rows.to(self._x.device))
        return self._normalised(self.images(rows))

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return images as float in [0, 1], (B, C, H, W)."""
        gathered = torch.index_select(self._x, 0, rows.to(self._x.device))
        return in_unit(gathered.to(self.device, non_blocking=True))

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        return images.sub_(self._mean).div_(self._std)

    def one_hot(self, labels: torch.Tensor) -> torch.Tensor:
        """Return (B, K) float32 targets for (B,) labels."""
        return torch.index_select(self._one_hot, 0, labels.to(self.device))

    def phase(self, phase: BuiltPhase) -> PhaseBatches:
        """Return the batches of one phase."""
        made = None
        if len(phase.synthetic):
            made = torch.cat([self._x, self.normalisation.apply(phase.synthetic).to(self.device)])
        return PhaseBatches(self, phase, made)


@dataclass(frozen=True)
class PhaseBatches:
    """Training batches of one phase, the same for a seed whatever went before."""

    batches: Batches
    phase: BuiltPhase
    with_synthetic: torch.Tensor | None

    def epoch(self, epoch: int) -> list[BatchRows]:
        """Return the rows of each batch."""
        phase, source = self.phase, self._source
        size = phase.context.batch_size
        found = batch_rows(phase, phase.order(epoch), size, len(source), source.device, self.batches.device)
        return found[: phase.steps]

    @property
    def _source(self) -> torch.Tensor:
        return self.batches._x if self.with_synthetic is None else self.with_synthetic

    def load(
        self, labels: torch.Tensor, places: torch.Tensor, epoch: int, first: int, seed: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (input, target) of one batch, augmented, normalised and mixed.

        Parameters
        ----------
        labels, places : Tensor of int64, shape (B,)
            From :meth:`epoch`.
        epoch : int
        first : int
            Global position of the batch's first sample in the epoch's order.
        seed : int
        """
        batches, phase = self.batches, self.phase
        target = torch.index_select(batches._one_hot, 0, labels)
        changed = phase.augment is not None or phase.mix is not None
        draw = Draw(seed, "", epoch, np.arange(first, first + len(labels)), batches.device) if changed else None
        if batches.kind == "table":
            x = torch.index_select(self._source, 0, places)
        else:
            x = batches.images(places)
            if phase.augment is not None and draw is not None:
                x = phase.augment(x, target, draw)
            x = batches._normalised(x)
        if phase.mix is not None and draw is not None:
            x, target = phase.mix(x, target, draw)
        return x, target


def _fits(x: torch.Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return x.nbytes < 0.4 * free
