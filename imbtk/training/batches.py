"""Rows to batches: one gather, one cast, one augmentation call; nothing is copied that an index can say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from imbtk.authoring.draw import Draw
from imbtk.authoring.records import Batch
from imbtk.data.dataset import Dataset
from imbtk.data.normalise import Normalisation, in_unit
from imbtk.planning.phases import BuiltPhase, PartnerStream
from imbtk.training.iterator import BatchRows, Share, batch_rows

__all__ = ["Batches", "PhaseBatches"]

NO_PARTNERS: Mapping[str, Batch] = {}


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

    def in_parts(self, rows: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
        """Yield inputs for rows of the data set, `size` at a time."""
        return (self.samples(part) for part in torch.split(rows, size))

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return images as float in [0, 1], (B, C, H, W)."""
        gathered = torch.index_select(self._x, 0, rows.to(self._x.device))
        return in_unit(gathered.to(self.device, non_blocking=True))

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        return images.sub_(self._mean).div_(self._std)

    def one_hot(self, labels: torch.Tensor) -> torch.Tensor:
        """Return (B, K) float32 targets for (B,) labels."""
        return torch.index_select(self._one_hot, 0, labels.to(self.device))

    def phase(self, phase: BuiltPhase, seed: int, share: Share | None = None) -> PhaseBatches:
        """Return the batches of one phase, or the `share` of this process in them."""
        made = None
        if len(phase.synthetic):
            made = torch.cat([self._x, self.normalisation.apply(phase.synthetic).to(self.device)])
        share = Share(0, 1, phase.context.batch_size) if share is None else share
        return PhaseBatches(self, phase, made, seed, share)


class _Stream(NamedTuple):
    """Second rows of an epoch, batch by batch, and those that stand beside them."""

    partner: PartnerStream
    rows: list[BatchRows]
    beside: dict[str, _Stream]


@dataclass(frozen=True)
class PhaseBatches:
    """Training batches of one phase, the same for a seed whatever went before.

    Attributes
    ----------
    batches : Batches
    phase : BuiltPhase
    with_synthetic : Tensor, optional
        The samples, made-up ones last.
    seed : int
    share : Share
        Of this process: all rows where it is the only one.
    """

    batches: Batches
    phase: BuiltPhase
    with_synthetic: torch.Tensor | None
    seed: int
    share: Share

    def epoch(self, epoch: int, step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch: gathered, augmented, normalised and mixed.

        Parameters
        ----------
        epoch : int
        step : int
            Steps of the run before it.
        """
        phase, share = self.phase, self.share
        whole, size = phase.order(epoch), share.batch_size
        beside, changed, taken = self._beside(whole, epoch), self.changed, 0
        for number, rows in enumerate(self.rows(share.part(whole), size)[: phase.steps]):
            places = share.positions(taken, len(rows.labels)) if changed else None
            partners = self._partners(beside, number, epoch, step, places) if beside else NO_PARTNERS
            yield self.load(rows, epoch, step, places, partners=partners)
            taken += len(rows.labels)
            step += 1

    def _beside(self, order: torch.Tensor, epoch: int, above: tuple[str, ...] = ()) -> dict[str, _Stream]:
        """Return the second rows beside a global order (M,), by strategy.

        Beside these stand those of the other strategies: an objective may be called on another one's partner.
        """
        found = {}
        for label, stream in self.phase.partners.items():
            if label not in above:
                chosen = stream.choose(epoch, order)
                rows = self.rows(self.share.part(chosen), self.share.batch_size)
                found[label] = _Stream(stream, rows, self._beside(chosen, epoch, (*above, label)))
        return found

    def one(self, order: torch.Tensor, epoch: int) -> Batch:
        """Return one batch of positions (B,) into the phase's rows, with partners: for a step that is tried."""
        whole = dataclasses.replace(self, share=Share(0, 1, len(order)))
        places = np.arange(len(order))
        partners = whole._partners(whole._beside(order, epoch), 0, epoch, 0, places)
        return whole.load(whole.rows(order, len(order))[0], epoch, 0, places, partners=partners)

    def _partners(
        self, streams: Mapping[str, _Stream], number: int, epoch: int, step: int, places: np.ndarray | None
    ) -> dict[str, Batch]:
        return {
            label: self.load(
                stream.rows[number],
                epoch,
                step,
                places,
                stream.partner,
                self._partners(stream.beside, number, epoch, step, places),
            )
            for label, stream in streams.items()
        }

    @property
    def changed(self) -> bool:
        """Whether random numbers are wanted for each batch."""
        phase = self.phase
        return bool(phase.augment or phase.mix or phase.partners or phase.state.draws)

    def rows(self, order: torch.Tensor, size: int) -> list[BatchRows]:
        """Return the rows of each batch of `size`, for positions (m,) into the phase's rows."""
        source = self._source
        return batch_rows(self.phase, order, size, len(source), source.device, self.batches.device)

    def plain(self, order: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
        """Yield inputs for positions (m,) into the phase's rows, `size` at a time, without augmentation."""
        table = self.batches.kind == "table"
        for rows in self.rows(order, size):
            yield torch.index_select(self._source, 0, rows.places) if table else self.batches.samples(rows.places)

    @property
    def _source(self) -> torch.Tensor:
        return self.batches._x if self.with_synthetic is None else self.with_synthetic

    def load(
        self,
        rows: BatchRows,
        epoch: int,
        step: int,
        positions: np.ndarray | None,
        stream: PartnerStream | None = None,
        partners: Mapping[str, Batch] = NO_PARTNERS,
    ) -> Batch:
        """Return one batch, augmented, normalised and mixed.

        Parameters
        ----------
        rows : BatchRows
        epoch, step : int
        positions : ndarray of int64, shape (B,), optional
            Places of the samples in the epoch's global order, where random numbers are wanted.
        stream : PartnerStream, optional
            Whose rows they are, if they stand beside an epoch's own: then they are not mixed.
        partners : mapping of str to Batch
            Beside them.
        """
        batches, phase, state = self.batches, self.phase, self.phase.state
        target = torch.index_select(batches._one_hot, 0, rows.labels)
        seed, scale = (self.seed, 1.0) if stream is None else (stream.seed, stream.scale)
        draw = None if positions is None else Draw(seed, "", epoch, positions, batches.device)
        table = batches.kind == "table"
        x = torch.index_select(self._source, 0, rows.places) if table else batches.images(rows.places)
        batch = Batch(
            x, target, rows.rows, rows.labels, epoch=epoch, step=step, scale=scale, partners=partners, draw=draw
        )
        if draw is not None:
            state.batch = batch  # what augmenting and mixing may ask for
        if not table:
            if phase.augment is not None and draw is not None:
                x = phase.augment(x, target, draw)
            x = batches._normalised(x)
            batch = batch._replace(inputs=x)
        if phase.mix is not None and draw is not None and stream is None:
            x, target = phase.mix(x, target, draw)
            batch = batch._replace(inputs=x, target=target)
        return batch


def _fits(x: torch.Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return x.nbytes < 0.4 * free
