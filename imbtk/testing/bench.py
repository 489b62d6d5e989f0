"""A strategy in a situation: its hooks called as core calls them, what they return made ready to look at."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from imbtk.authoring.context import EpochOrder, Split
from imbtk.authoring.prediction import CalibrationMap
from imbtk.models.heads import LinearHead
from imbtk.planning.phases import cross_entropy
from imbtk.testing.asking import OBSERVING
from imbtk.testing.network_hooks import NetworkHooks
from imbtk.testing.registry import Subject
from imbtk.testing.situations import FEATURES, situations

__all__ = ["OBSERVING", "Bench", "benches"]

VALIDATION_ROWS = 400


class Bench(NetworkHooks):
    """A copy of a strategy, the material of one situation, and a draw.

    Each method calls one hook and returns what the strategy answers, or None where it does not have the hook, leaves
    the choice to core, or refuses the situation with an :class:`~imbtk.errors.ImbtkError`.

    Parameters
    ----------
    strategy : Strategy
        Stays as it is.
    situation : Situation
    seed : int
    strict : bool
        Raise what the hook raises, instead of returning None.
    permutation : Tensor of int64, shape (K,), optional
        Class ``permutation[k]`` of the situation stands at place k.
    """

    # Before training ---------------------------------------------------------------------------------------------

    def split(self, grouped: bool = True) -> tuple[Any, Any] | None:
        """Return (data set, folds)."""
        dataset = self.dataset if grouped else self.situation.dataset(grouped=False)
        context = self.situation.context(self.draw, dataset)
        folds = self._choose("imbtk_split", dataset=dataset, context=context)
        return None if folds is None else (dataset, folds)

    def resample(self) -> Any:
        """Return the rows that are left."""
        return self._fold("imbtk_resample", "rows", self.rows, context=self.context)

    def order(self) -> tuple[Callable[..., Any], Any] | None:
        """Return (``(epoch, turn=epoch) -> positions``, stated class mass or None); each turn draws other numbers."""
        answer = self._choose("imbtk_epoch_order", context=self.context)
        if answer is None:
            return None
        stated = answer.class_mass if isinstance(answer, EpochOrder) else None
        draw_epoch = answer.draw_epoch if isinstance(answer, EpochOrder) else answer
        bound = self._bound(draw_epoch, "imbtk_epoch_order")
        draw = self.draw.named(self.item.label)
        return (lambda epoch, turn=None: bound(epoch, draw.at(epoch if turn is None else turn))), stated

    # The batch ---------------------------------------------------------------------------------------------------

    def augment(self, handed: Any = None) -> Callable[[torch.Tensor, torch.Tensor, np.ndarray], Any] | None:
        """Return ``(images, target, positions) -> images``, made from the augment `handed`; None for tables."""
        if self.situation.kind != "images":
            return None
        link = (lambda images, target, draw: images) if handed is None else handed
        made = self._fold("imbtk_augment", "augment", link, context=self.context)
        return None if made is None else self._placed(made, "imbtk_augment")

    def mix(self) -> Callable[[torch.Tensor, torch.Tensor, np.ndarray], Any] | None:
        """Return ``(images, target, positions) -> (images, target)``."""
        made = self._choose("imbtk_mix", context=self.context)
        return None if made is None else self._placed(made, "imbtk_mix")

    def _placed(self, function: Any, hook: str) -> Callable[[torch.Tensor, torch.Tensor, np.ndarray], Any]:
        bound = self._bound(function, hook)

        def placed(samples: torch.Tensor, target: torch.Tensor, positions: np.ndarray) -> Any:
            self._fill_state(len(samples))
            return bound(samples, target, self.draw.named(self.item.label).at(1, positions))

        return placed

    def class_weights(self) -> Any:
        """Return the weights as the strategy gives them."""
        return self._choose("imbtk_class_weights", context=self.context)

    def criterion(self, handed: Any = cross_entropy) -> Callable[[torch.Tensor, torch.Tensor], Any] | None:
        """Return the strategy's criterion with its own adjustment, over the one `handed` where it has none."""
        chosen = self._choose("imbtk_criterion", context=self.context)
        made = handed if chosen is None else self._bound(chosen, "imbtk_criterion")
        adjusted = self._fold("imbtk_adjust_criterion", "criterion", made, context=self.context)
        if chosen is None and adjusted is None:
            return None
        bound = made if adjusted is None else self._bound(adjusted, "imbtk_adjust_criterion")

        def filled(logits: torch.Tensor, target: torch.Tensor) -> Any:
            self._fill_state(len(logits))
            return bound(logits, target)

        return filled

    # The head, and after training --------------------------------------------------------------------------------

    def head(self) -> Any:
        """Return the head, its weights drawn as core has them drawn: from a seed, the caller's state kept."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return self._choose("imbtk_head", in_features=FEATURES, context=self.context)

    @functools.cached_property
    def training(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Made-up features (n, D) float32 of the training rows, and their labels (n,) int64."""
        labels = self.context.labels.clone()
        features = torch.randn(len(labels), FEATURES, generator=torch.Generator().manual_seed(15))
        return features + (labels[:, None] % 5).float(), labels

    @functools.cached_property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Made-up logits (n, K) float64 of validation rows, and their labels (n,) int64."""
        labels = self.context.labels[:VALIDATION_ROWS].numpy().copy()
        logits = np.random.default_rng(16).normal(size=(len(labels), self.situation.num_classes))
        logits = logits[:, self.permutation.numpy()]
        logits[np.arange(len(labels)), labels] += 1.5
        return logits, labels

    def refit(self) -> Any:
        """Return the refitted head; a new one's weights are drawn as core has them drawn."""
        if not self.dispatcher.answering("imbtk_refit"):
            return None
        features, labels = self.training
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            head = LinearHead(FEATURES, self.situation.num_classes)
            return self._fold("imbtk_refit", "head", head, features=features, labels=labels, context=self.context)

    def members(self) -> Any:
        """Return the models that the run consists of, for a split whose training rows are those of the situation."""
        split = Split(*self.sides)
        return self._choose("imbtk_members", dataset=self.dataset, split=split, context=self.context)

    @functools.cached_property
    def sides(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Training, validation and test rows: those that are not for training in halves."""
        others = torch.arange(1, len(self.dataset), 2)
        return torch.arange(0, len(self.dataset), 2), others[::2], others[1::2]

    def views(self) -> Any:
        """Return the looks at an image."""
        return self._choose("imbtk_views", context=self.context)

    def calibrate(self) -> Any:
        """Return the calibration map."""
        if not self.dispatcher.answering("imbtk_calibrate"):
            return None
        logits, labels = self.validation
        return self._fold(
            "imbtk_calibrate", "map", CalibrationMap(), logits=logits, labels=labels, context=self.context
        )

    def decide(self) -> Any:
        """Return the decision rule."""
        if not self.dispatcher.answering("imbtk_decide"):
            return None
        logits, labels = self.validation
        probabilities = CalibrationMap().probabilities(logits)
        groups = None if self.context.groups is None else self.context.groups[: len(labels)].numpy().copy()
        return self._choose(
            "imbtk_decide",
            logits=logits,
            probabilities=probabilities,
            labels=labels,
            groups=groups,
            context=self.context,
        )

    def observe(
        self,
        run: Mapping[str, Any] | None = None,
        record: Mapping[str, float] | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> Any:
        """Let a run go by, described by `run`, with one epoch's `record` and the `metrics` at its end.

        Returns what the strategy adds to the report.
        """
        plain = {"plan": [self.item.label], "data": "made up", "model": "mlp", "seed": 0, "epochs": 1, "out": "nowhere"}
        run = plain if run is None else run
        record = {"epoch": 0.0, "phase": 0.0, "lr": 1e-3, "train_loss": 0.5} if record is None else record
        metrics = {"validation": {"overall": {}}, "test": {"overall": {}}} if metrics is None else metrics
        self._fold("imbtk_run_start", "run", run)
        self._fold("imbtk_epoch_end", "epoch", 0, record=record)
        self._fold("imbtk_run_end", "run", run, metrics=metrics, error=None)
        return self._fold("imbtk_report", "run", run, metrics=metrics)


def benches(subject: Subject, ordinary: bool = False) -> Iterator[Bench]:
    """Yield the strategy in every situation, or only in the ordinary ones."""
    for situation in situations(subject.class_names):
        if situation.ordinary or not ordinary:
            yield Bench(subject.strategy, situation)
