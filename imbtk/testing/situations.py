"""Made-up runs in which a strategy is tried: few classes and many, an absent one, one with a single sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch

from imbtk.authoring.context import Phase, Rows, RunContext
from imbtk.authoring.draw import Draw
from imbtk.data.dataset import Dataset
from imbtk.planning.phases import steps_of

__all__ = ["Situation", "SpyDraw", "situations"]

BATCH = 8
FEATURES = 6
_SHAPES: dict[str, tuple[int, ...]] = {"images": (3, 8, 8), "table": (5,)}


class SpyDraw(Draw):
    """A draw that notes whether numbers were taken from it, or from any draw made of it."""

    __slots__ = ("uses",)

    def __init__(self, seed: int, uses: list[str] | None = None, name: str = "", epoch: int = 0,
                 positions: np.ndarray | None = None) -> None:  # fmt: skip
        super().__init__(seed, name, epoch, positions)
        self.uses: list[str] = [] if uses is None else uses

    @property
    def key(self) -> int:
        """The key of the numbers: whoever asks for it draws."""
        self.uses.append(self.name)
        return super().key

    def named(self, name: str) -> SpyDraw:
        """Return the same place for another name, noting uses in the same list."""
        return SpyDraw(self.seed, self.uses, name, self.epoch, self.positions)

    def at(self, epoch: int, positions: np.ndarray | None = None) -> SpyDraw:
        """Return the same name at another place, noting uses in the same list."""
        return SpyDraw(self.seed, self.uses, self.name, epoch, positions)


@dataclass(frozen=True)
class Situation:
    """A small run: training rows stand at the even rows of the data set, rows that must not be seen at the odd ones.

    Attributes
    ----------
    name : str
        In words, for messages.
    class_names : tuple of str
    counts : tuple of int
        Training rows per class.
    kind : "images" or "table"
    ordinary : bool
        Whether a strategy has no excuse for refusing it.
    """

    name: str
    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    kind: Literal["images", "table"]
    ordinary: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.counts)

    def dataset(self, grouped: bool = True) -> Dataset:
        """Return all rows; a group is two rows of one class, in training and out of it alike."""
        x, labels, groups = _made(self.counts, self.kind)
        return Dataset(
            self.name,
            self.kind,
            x.clone(),
            labels.clone(),
            self.class_names,
            groups=groups.clone() if grouped else None,
            domain="photo" if self.kind == "images" else "table",
        )

    def rows(self, dataset: Dataset, seen: list[torch.Tensor]) -> Rows:
        """Return the training rows; what ``features_of`` is asked for is added to `seen`."""
        indices = torch.arange(0, len(dataset), 2)
        values = dataset.x.flatten(1).double().numpy()
        mean, deviation = values[indices].mean(0), values[indices].std(0) + 1e-6

        def features_of(wanted: torch.Tensor) -> np.ndarray:
            seen.append(wanted)
            scaled: np.ndarray = ((values[wanted] - mean) / deviation).astype(np.float32)
            return scaled

        return Rows(
            indices,
            dataset.labels[indices],
            features_of,
            torch.empty(0, values.shape[1]),
            torch.empty(0, dtype=torch.int64),
            (mean, deviation),
        )

    def context(self, draw: Draw, dataset: Dataset | None = None) -> RunContext:
        """Return what hooks are told of training rows; of all rows if `dataset` is given, as for the split."""
        whole = self.dataset() if dataset is None else dataset
        taken = torch.arange(0, len(whole), 2 if dataset is None else 1)
        labels = whole.labels[taken]
        counts = torch.bincount(labels, minlength=self.num_classes)
        return RunContext(
            class_names=self.class_names,
            class_counts=counts,
            natural_counts=counts.clone(),
            labels=labels,
            kind=self.kind,
            sample_shape=_SHAPES[self.kind],
            domain=whole.domain,
            groups=None if whole.groups is None else whole.groups[taken],
            rows=taken,
            positive=self.num_classes - 1 if self.num_classes == 2 else None,
            normalisation=(torch.zeros(_SHAPES[self.kind][0]), torch.ones(_SHAPES[self.kind][0])),
            epochs=4,
            steps_per_epoch=steps_of(len(labels), BATCH),
            batch_size=BATCH,
            phase=Phase(0, 0, 4),
            draw=draw,
        )

    def samples(self, size: int = BATCH) -> torch.Tensor:
        """Return a batch, images in [0, 1] or normal numbers, (size, ...) float32."""
        generator = torch.Generator().manual_seed(11)
        if self.kind == "images":
            return torch.rand(size, *_SHAPES["images"], generator=generator)
        return torch.randn(size, *_SHAPES["table"], generator=generator)

    def target(self, size: int = BATCH, soft: bool = False) -> torch.Tensor:
        """Return targets (size, K) float32, rows summing to one: one-hot, or shared by two classes that have rows."""
        present = torch.tensor(self.counts).nonzero()[:, 0]
        place = torch.arange(size)
        target = torch.nn.functional.one_hot(present[place % len(present)], self.num_classes).float()
        if not soft:
            return target
        other = torch.nn.functional.one_hot(present[(place + 1) % len(present)], self.num_classes).float()
        return 0.7 * target + 0.3 * other

    def logits(self, size: int = BATCH) -> torch.Tensor:
        """Return normal logits (size, K) float32."""
        return torch.randn(size, self.num_classes, generator=torch.Generator().manual_seed(12))


@lru_cache(maxsize=64)
def _made(counts: tuple[int, ...], kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(13)
    ordered = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = ordered[torch.randperm(len(ordered), generator=generator)].repeat_interleave(2)
    shape = (len(labels), *_SHAPES[kind])
    if kind == "images":
        x = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    else:
        x = torch.randn(shape, generator=generator) + labels[:, None].float()
    # Neighbours in the order of their class make a group.
    by_class = torch.argsort(labels, stable=True)
    starts = torch.searchsorted(labels[by_class], torch.arange(len(counts)))
    rank = torch.empty_like(labels)
    rank[by_class] = torch.arange(len(labels)) - starts[labels[by_class]]
    return x, labels, torch.unique(labels * len(labels) + rank // 2, return_inverse=True)[1]


def situations(class_names: tuple[str, ...] | None = None) -> Iterator[Situation]:
    """Yield every situation, ordinary ones first, for images and for tables.

    Parameters
    ----------
    class_names : tuple of str, optional
        Names that the ordinary situations shall have.
    """
    for kind in ("images", "table"):
        for situation in _of_kind(class_names):
            yield dataclasses.replace(situation, kind=kind)


def _of_kind(class_names: tuple[str, ...] | None) -> Iterator[Situation]:
    if class_names is not None:
        long_tail = tuple(max(12, 60 // (k + 1)) for k in range(len(class_names)))
        yield Situation(f"{len(class_names)} classes", class_names, long_tail, "images", ordinary=True)
    ordinary = class_names is None
    yield Situation("2 classes", _names(2), (40, 12), "images", ordinary)
    yield Situation("10 classes", _names(10), tuple(60 - 5 * k for k in range(10)), "images", ordinary)
    yield Situation("1000 classes", _names(1000), tuple(1 + k % 4 for k in range(1000)), "images")
    yield Situation("an absent class", _names(4), (24, 0, 12, 9), "images")
    yield Situation("a class of one sample", _names(3), (24, 1, 12), "images")


def _names(number: int) -> tuple[str, ...]:
    return tuple(f"class{k}" for k in range(number))
