"""What a step of training is about: a batch, and what the network says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from imbtk.authoring.draw import Draw

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Batch", "Objective", "Outputs", "Partner", "ScheduleFunction", "TakeStep", "TrainingRows"]


class Outputs(NamedTuple):
    """What a network says of a batch.

    Attributes
    ----------
    logits : Tensor, shape (B, K)
        Float32. Of several experts their mean, unless the head says otherwise.
    features : Tensor, shape (B, D), optional
        What the head was given.
    experts : Tensor, shape (E, B, K), optional
        The logits of each expert, or branch, where the head has several.
    """

    logits: torch.Tensor
    features: torch.Tensor | None = None
    experts: torch.Tensor | None = None

    def but(self, **changes: Any) -> Outputs:
        """Return a copy with other values: ``outputs.but(logits=outputs.experts[0])``."""
        return self._replace(**changes)


class Batch(NamedTuple):
    """The rows of one step, as the network is given them.

    Attributes
    ----------
    inputs : Tensor, shape (B, ...)
        Augmented, normalised and mixed; None where an objective further out has mixed a hidden layer.
    target : Tensor, shape (B, K)
        Shares of each class; rows sum to one.
    rows : Tensor of int64, shape (B,)
        Rows of the whole data set; -1 for made-up ones.
    labels : Tensor of int64, shape (B,)
        Classes before mixing, which ``target.argmax(1)`` need not be.
    epoch, step : int
        From 0, within the run.
    scale : float
        Factor that gives the class weights mean 1 over the stream that these rows are drawn from: 1 for an epoch's own
        order, which weights are scaled for; something else for a partner's.
    partners : mapping of str to Batch
        The second rows, by the strategy that chose them; each strategy asks for its own with ``partner``.
    draw : Draw, optional
        Random numbers for these rows. A callable that asks for ``draw`` is given them under its strategy's name.
    """

    inputs: torch.Tensor
    target: torch.Tensor
    rows: torch.Tensor
    labels: torch.Tensor
    epoch: int = 0
    step: int = 0
    scale: float = 1.0
    partners: Mapping[str, Batch] = {}
    draw: Draw | None = None

    def but(self, **changes: Any) -> Batch:
        """Return a copy with other values: ``batch.but(target=mixed)``."""
        return self._replace(**changes)

    def parts(self, count: int) -> Iterator[Batch]:
        """Cut the batch, partners and all, into `count` of nearly the same size, none of them empty."""
        size = self.rows.shape[0]
        cuts = [size * number // count for number in range(count + 1)]
        for start, stop in pairwise(cuts):
            if start < stop:
                yield self._part(start, stop)

    def _part(self, start: int, stop: int) -> Batch:
        draw = self.draw
        if draw is not None and draw.positions is not None:
            draw = draw.at(draw.epoch, draw.positions[start:stop])
        return self._replace(
            inputs=self.inputs[start:stop],
            target=self.target[start:stop],
            rows=self.rows[start:stop],
            labels=self.labels[start:stop],
            partners={label: partner._part(start, stop) for label, partner in self.partners.items()},
            draw=draw,
        )


class Objective(Protocol):
    """What is minimised, for each sample: ``(outputs, batch) -> (B,)``, class weights in it."""

    def __call__(self, outputs: Outputs, batch: Batch) -> torch.Tensor: ...


class TakeStep(Protocol):
    """One step of an optimiser: ``(optimizer, closure) -> loss ()``.

    ``closure()`` sets the gradients at the weights as they are, clipped, and returns the loss ().
    """

    def __call__(self, optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor]) -> torch.Tensor: ...


Partner = Callable[[int, torch.Tensor, Draw], torch.Tensor]
"""``(epoch, order (M,) int64, draw) -> (M,) int64``: positions in the phase's rows, one beside each of the order."""

ScheduleFunction = Callable[[int, int], float]
"""``(step, steps) -> factor`` on the learning rate, both counted in the strategy's window."""


@dataclass(frozen=True)
class TrainingRows:
    """Rows that a network is changed by, outside of its steps: without augmentation, made when they are asked for.

    Attributes
    ----------
    rows : Tensor of int64, shape (n,)
        Rows of the data set; -1 for made-up ones, which come last.
    labels : Tensor of int64, shape (n,)
    weights : Tensor of float32, shape (K,), optional
        Class weights of the phase, of mean 1 over the rows as its order draws them.
    validation : TrainingRows, optional
        The run's validation rows, where it has any: what a single number can be chosen by.
    """

    rows: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor | None
    validation: TrainingRows | None
    _inputs: Callable[[], Iterable[torch.Tensor]]
    _predicted: Callable[[bool], torch.Tensor]

    def inputs(self) -> Iterable[torch.Tensor]:
        """Return what the network is given, normalised, batch after batch: (B, ...) on its device."""
        return self._inputs()

    def features(self) -> torch.Tensor:
        """Return what the network's backbone, in eval mode, makes of the rows: (n, D) float32 on its device."""
        return self._predicted(True)

    def logits(self) -> torch.Tensor:
        """Return what the network, in eval mode, says of the rows: (n, K) float32 on its device."""
        return self._predicted(False)
