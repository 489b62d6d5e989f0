"""What a hook is told, and the small frozen records that go in and out of hooks.

K classes, N samples, B batch, C channels, H, W, D features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch

from imbtk.authoring.draw import Draw

__all__ = [
    "Augment",
    "Criterion",
    "EpochOrder",
    "ExtraMetric",
    "Member",
    "Mix",
    "OrderFunction",
    "Phase",
    "Rows",
    "RunContext",
    "Split",
]


class Criterion(Protocol):
    """Unreduced loss: ``(logits (B, K), target (B, K)) -> (B,)``."""

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor: ...


class Augment(Protocol):
    """Changed images: ``(images (B, C, H, W) float in [0, 1], target (B, K), draw) -> (B, C, H, W)``."""

    def __call__(self, images: torch.Tensor, target: torch.Tensor, draw: Draw) -> torch.Tensor: ...


class Mix(Protocol):
    """Mixed samples: ``(images, target (B, K), draw) -> (images, target)``."""

    def __call__(self, images: torch.Tensor, target: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]: ...


ExtraMetric = Callable[[np.ndarray, np.ndarray], float]
"""``(labels (N,) int64, probabilities (N, K) float64) -> float``, NaN where it cannot be computed."""

OrderFunction = Callable[[int, Draw], torch.Tensor]
"""``(epoch, draw) -> (M,) int64``: positions in the phase's rows, the global order of one epoch."""


@dataclass(frozen=True)
class EpochOrder:
    """Which rows an epoch shows, and in what order.

    Attributes
    ----------
    draw_epoch : callable
        ``(epoch, draw) -> (M,) int64``, positions into the phase's rows, each in ``[0, len(context.labels))``.
        Use ``draw.generator()``, never the global random state.
    class_mass : Tensor of float64, shape (K,), optional
        Expected share of each class in an epoch, summing to one, where it is known in closed form: the mean over the
        epochs of the phase, where they differ. Without it, core takes the mean of drawn epochs.
    steady : bool
        Whether every epoch of the phase has this mass in expectation. Where epochs differ, or hang on how training
        goes, nobody knows beforehand which mass the network ends with: the ledger then says so.
    """

    draw_epoch: OrderFunction
    class_mass: torch.Tensor | None = None
    steady: bool = True


@dataclass(frozen=True)
class Member:
    """One of several models that a run trains and lets predict as one.

    Attributes
    ----------
    train : Tensor of int64, shape (n,)
        The rows that it learns from, training or validation rows of the run; a row may stand more than once.
    seed : int
        Of its initial weights, orders and draws.
    options : mapping of str to object
        Where it differs from the run: ``model``, ``epochs``, ``lr`` and whatever else of a network and its training.
    """

    train: torch.Tensor
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """Row numbers of one train / validation / test split, each int64, disjoint."""

    train: torch.Tensor
    validation: torch.Tensor
    test: torch.Tensor


@dataclass(frozen=True)
class Rows:
    """Training rows on their way through the resampling chain.

    Attributes
    ----------
    indices : Tensor of int64, shape (n,)
        Rows of the data set; a row may stand here more than once.
    labels : Tensor of int64, shape (n,)
        Their classes.
    features_of : callable
        ``indices -> (n, D) float32 ndarray``, scaled by mean and deviation of the training rows: what distances are
        measured in. For images these are the flattened pixels.
    synthetic : Tensor of float32, shape (m, D)
        Rows made up by a strategy (tables only), in the data's own units.
    synthetic_labels : Tensor of int64, shape (m,)
        Their classes.
    scale : tuple of ndarray (D,)
        Mean and deviation that ``features_of`` used, to bring made-up rows back into the data's own units.
    categories : tuple of (int, int)
        Columns ``[start, stop)`` of the features that hold one column of categories, 0 or 1 for each value; in tables
        whose encoding is known.
    """

    indices: torch.Tensor
    labels: torch.Tensor
    features_of: Callable[[torch.Tensor], np.ndarray]
    synthetic: torch.Tensor
    synthetic_labels: torch.Tensor
    scale: tuple[np.ndarray, np.ndarray]
    categories: tuple[tuple[int, int], ...] = ()

    @property
    def all_labels(self) -> torch.Tensor:
        """Classes of the selected rows, then of the synthetic ones, (n + m,) int64."""
        return torch.cat([self.labels, self.synthetic_labels])

    def features(self) -> np.ndarray:
        """Return the scaled features of all rows, selected then synthetic, (n + m, D) float32."""
        selected = self.features_of(self.indices)
        if not len(self.synthetic):
            return selected
        mean, deviation = self.scale
        return np.concatenate([selected, (self.synthetic.numpy() - mean) / deviation]).astype(np.float32)

    def take(self, positions: torch.Tensor) -> Rows:
        """Return the rows at `positions` of ``all_labels``, repeats allowed, in the order given."""
        n = len(self.indices)
        real, made = positions[positions < n], positions[positions >= n] - n
        return dataclasses.replace(
            self,
            indices=self.indices[real],
            labels=self.labels[real],
            synthetic=self.synthetic[made],
            synthetic_labels=self.synthetic_labels[made],
        )

    def with_synthetic(self, features: np.ndarray, labels: np.ndarray) -> Rows:
        """Return these rows plus made-up ones, given as scaled features (m, D) and classes (m,)."""
        mean, deviation = self.scale
        made = torch.from_numpy((features * deviation + mean).astype(np.float32))
        return dataclasses.replace(
            self,
            synthetic=torch.cat([self.synthetic, made]),
            synthetic_labels=torch.cat([self.synthetic_labels, torch.as_tensor(labels, dtype=torch.int64)]),
        )


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs ``[start, stop)`` with the same strategies on."""

    index: int
    start: int
    stop: int

    @property
    def epochs(self) -> int:
        """How many epochs the phase has."""
        return self.stop - self.start


@dataclass(frozen=True)
class RunContext:
    """What a hook is told of the run: about training rows, unless it says otherwise.

    Attributes
    ----------
    task : "multiclass"
        The kind of target (multi-label keeps its place).
    kind : "images" or "table"
        What a sample is.
    sample_shape : tuple of int
        (C, H, W) of an image, (D,) of a table row.
    domain : str
        What images show, for presets: ``"digits"``, ``"photo"``, ``"histology"``; ``"table"`` for tables.
    class_names : tuple of str, length K
    class_counts : Tensor of int64, shape (K,)
        Rows per class of this phase, after resampling.
    natural_counts : Tensor of int64, shape (K,)
        Training rows per class before resampling.
    labels : Tensor of int64, shape (n,)
        Classes of the phase's rows, after resampling: what an epoch order is about.
    groups : Tensor of int64, shape (n,), optional
        Group (patient) of each of these rows, -1 for synthetic rows; None where groups are not known.
    rows : Tensor of int64, shape (n,), optional
        Row of the data set of each of these rows, -1 for synthetic ones, as batches have them; None while nothing is
        split.
    validation_counts : Tensor of int64, shape (K,), optional
        Validation rows per class; None while nothing is split.
    class_mass : Tensor of float64, shape (K,), optional
        Expected share of each class in an epoch of this phase, as its order shows them; None in hooks that are called
        before it is known.
    effective_prior : Tensor of float64, shape (K,), optional
        Class frequencies that a model without features comes to believe in this phase, from the ledger; None in hooks
        that are called before it is known, and where it cannot be known.
    positive : int, optional
        The positive class of binary data.
    preprocessing : mapping
        How samples are made of files or columns, in the words of a run's ``model.json``; empty where it is not known:
        in a loop of one's own, and while nothing is split.
    normalisation : tuple of (Tensor, Tensor), optional
        Mean and deviation, per channel (C,) or column (D,), that samples are normalised by before a network is given
        them; None where they are not known.
    epochs : int
        Epochs of the whole run.
    steps_per_epoch : int
        Batches in an epoch of this phase; 0 while that is not known yet (resampling, epoch order).
    batch_size : int
    phase : Phase
    window : Phase
        The epochs in which the strategy that is asked is on. A phase may be shorter: it is cut by every window.
    device : torch.device
    dtype : torch.dtype
        The floating-point type that logits have.
    draw : Draw
        Numbers for what is drawn while building, keyed by the seed and the strategy's name.
    decision_rows : "validation rows" or "out-of-fold rows"
        What the rows are that ``imbtk_decide`` is given, for messages.
    """

    class_names: tuple[str, ...]
    class_counts: torch.Tensor
    natural_counts: torch.Tensor
    labels: torch.Tensor
    kind: Literal["images", "table"] = "images"
    sample_shape: tuple[int, ...] = ()
    domain: str = "photo"
    task: Literal["multiclass"] = "multiclass"
    groups: torch.Tensor | None = None
    rows: torch.Tensor | None = None
    validation_counts: torch.Tensor | None = None
    class_mass: torch.Tensor | None = None
    effective_prior: torch.Tensor | None = None
    positive: int | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    normalisation: tuple[torch.Tensor, torch.Tensor] | None = None
    epochs: int = 1
    steps_per_epoch: int = 0
    batch_size: int = 64
    phase: Phase = field(default_factory=lambda: Phase(0, 0, 1))
    window: Phase = field(default_factory=lambda: Phase(0, 0, 1))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    draw: Draw = field(default_factory=lambda: Draw(0, ""))
    decision_rows: Literal["validation rows", "out-of-fold rows"] = "validation rows"

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)
