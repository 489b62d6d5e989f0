"""How a row is looked at, logits become probabilities, and probabilities a class: as data, never as code.

A saved model carries its :class:`View` of images, a :class:`CalibrationMap` and a :class:`DecisionRule`, so it predicts
on a machine where no strategy is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts are loaded when used

if TYPE_CHECKING:
    import torch

__all__ = ["ABSTAIN", "CalibrationMap", "DecisionRule", "View", "pooled"]

ABSTAIN = -1
"""The class number of a sample that a decision rule leaves to a human."""


@dataclass(frozen=True)
class View:
    """One look at an image when predicting.

    Attributes
    ----------
    mirror : bool
        Left and right changed, before turning.
    turns : int
        Quarter turns to the left, 0 to 3.
    """

    mirror: bool = False
    turns: int = 0

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (B, C, H, W) as they look so; (B, C, W, H) after an odd number of turns."""
        seen = images.flip(-1) if self.mirror else images
        return seen.rot90(self.turns, (-2, -1)) if self.turns else seen

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of plain values."""
        return {"mirror": self.mirror, "turns": self.turns}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> View:
        """Read what :meth:`to_json` wrote."""
        return cls(bool(data["mirror"]), int(data["turns"]))


@dataclass(frozen=True)
class CalibrationMap:
    """Probabilities from logits: ``softmax(scale · logits + shift)``, then a monotone table per class if there is one.

    A move to another class prior comes last: it is part of `shift`, or of `late_shift` where there are tables.

    Attributes
    ----------
    scale : float
        One over the temperature.
    shift : ndarray of float64, shape (K,), optional
        Added to every row of scaled logits; None is zero.
    tables : tuple of (ndarray, ndarray), optional
        For each class the knots (x increasing, y non-decreasing, both in [0, 1]) of a piecewise linear map that is
        applied to its probability, after which the row is normalised again.
    late_shift : ndarray of float64, shape (K,), optional
        Added to the log-probabilities that the tables give.
    """

    scale: float = 1.0
    shift: np.ndarray | None = None
    tables: tuple[tuple[np.ndarray, np.ndarray], ...] | None = None
    late_shift: np.ndarray | None = None

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return log-probabilities of shape (N, K) for logits of shape (N, K), float64."""
        logits = np.asarray(logits, dtype=np.float64) * self.scale
        if self.shift is not None:
            logits = logits + self.shift
        if self.tables is None:
            return np.asarray(scipy.special.log_softmax(logits, axis=1))
        probabilities = scipy.special.softmax(logits, axis=1)
        for k, (x, y) in enumerate(self.tables):
            probabilities[:, k] = np.interp(probabilities[:, k], x, y)
        total = probabilities.sum(axis=1, keepdims=True)
        flat = np.full_like(probabilities, 1.0 / probabilities.shape[1])
        probabilities = np.where(total > 0, probabilities / np.where(total > 0, total, 1.0), flat)
        with np.errstate(divide="ignore"):
            tabled = np.log(probabilities)
        return np.asarray(
            tabled if self.late_shift is None else scipy.special.log_softmax(tabled + self.late_shift, axis=1)
        )

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities of shape (N, K), rows summing to one, for logits of shape (N, K)."""
        return np.asarray(np.exp(self.log_probabilities(logits)))

    def shifted(self, shift: np.ndarray) -> CalibrationMap:
        """Return this map with `shift` (K,) added to its log-probabilities: a move to another deployment prior."""
        if self.tables is None:
            return replace(self, shift=shift if self.shift is None else self.shift + shift)
        return replace(self, late_shift=shift if self.late_shift is None else self.late_shift + shift)

    def fault(self, num_classes: int) -> str:
        """Return what keeps the map from being used or saved for K classes: ``"a scale of 0"``; empty if nothing."""
        if not _is_number(self.scale) or self.scale <= 0:
            return f"a scale of {self.scale!r} instead of a number above 0"
        faults = [_array_fault(name, getattr(self, name), (num_classes,)) for name in ("shift", "late_shift")]
        if self.tables is not None:
            if len(self.tables) != num_classes:
                faults.append(f"{len(self.tables)} tables for {num_classes} classes")
            for x, y in self.tables:
                faults += [_array_fault("table", values, np.shape(x)) for values in (x, y)]
        return next(filter(None, faults), "")

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of plain numbers and lists."""
        tables = self.tables and [[x.tolist(), y.tolist()] for x, y in self.tables]
        return {
            "scale": self.scale,
            "shift": None if self.shift is None else self.shift.tolist(),
            "tables": tables,
            "late_shift": None if self.late_shift is None else self.late_shift.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CalibrationMap:
        """Read what :meth:`to_json` wrote."""
        shift, tables, late = data["shift"], data["tables"], data.get("late_shift")
        return cls(
            float(data["scale"]),
            None if shift is None else np.asarray(shift, dtype=np.float64),
            None if tables is None else tuple((np.asarray(x), np.asarray(y)) for x, y in tables),
            None if late is None else np.asarray(late, dtype=np.float64),
        )


@dataclass(frozen=True)
class DecisionRule:
    """A class from logits and probabilities, as data.

    Attributes
    ----------
    on : "logits" or "probabilities"
        What the rule looks at: the logits as trained (calibration does not move the decision), or the calibrated
        log-probabilities.
    shift : ndarray of float64, shape (K,), optional
        Added before the largest is taken: thresholds are differences of shifts.
    cost : ndarray of float64, shape (K, K), optional
        ``cost[truth, decided]``: the class with the least expected cost under the probabilities is decided.
    reject_below : float, optional
        Abstain where the confidence is below this; see :meth:`confidence`.
    name : str
        What made the rule, for people.
    floor : (int, float), optional
        A class and the least sensitivity that it was to keep: for the record, it decides nothing.
    sets : ndarray of float64, shape (K,), optional
        The largest ``-log softmax(logits)`` with which a class is in the set of a row; infinite: always. A rule that
        has nothing else decides no class, and joins the rule that does.
    """

    on: str = "logits"
    shift: np.ndarray | None = None
    cost: np.ndarray | None = None
    reject_below: float | None = None
    name: str = "as trained"
    floor: tuple[int, float] | None = None
    sets: np.ndarray | None = None

    @property
    def only_sets(self) -> bool:
        """Whether the rule says which classes are in the set of a row, and not which one is decided."""
        parts = (self.shift, self.cost, self.reject_below, self.floor)
        return self.sets is not None and self.on == "logits" and all(part is None for part in parts)

    def joined(self, other: DecisionRule) -> DecisionRule:
        """Return this rule with the sets of another one, and both names."""
        return replace(self, sets=other.sets, name=f"{self.name}; {other.name}")

    def in_set(self, logits: np.ndarray) -> np.ndarray:
        """Return which classes are in the set of each row, bool of shape (N, K), for logits (N, K) as trained.

        Raises
        ------
        ValueError
            If the rule has no sets.
        """
        if self.sets is None:
            raise ValueError("this decision rule has no sets")
        scores = -scipy.special.log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
        return np.asarray(scores <= self.sets)

    def named_sets(self, logits: np.ndarray, class_names: Sequence[str]) -> list[list[str]]:
        """Return the names of the classes in the set of each row, for logits (N, K) as trained."""
        return [[class_names[k] for k in np.flatnonzero(row).tolist()] for row in self.in_set(logits)]

    def decide(self, logits: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the class of each row, int64 of shape (N,), ``ABSTAIN`` where the rule leaves it open."""
        decided = self.forced(logits, probabilities)
        if self.reject_below is not None:
            decided = np.where(self.confidence(logits, probabilities) < self.reject_below, ABSTAIN, decided)
        return np.asarray(decided)

    def forced(self, logits: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the class of each row where the rule may not abstain, int64 of shape (N,)."""
        if self.cost is not None:
            return np.asarray(np.argmin(probabilities @ self.cost, axis=1), dtype=np.int64)
        return np.asarray(np.argmax(self._scores(logits, probabilities), axis=1), dtype=np.int64)

    def confidence(self, logits: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return how sure the rule is of each row, (N,): the decided class's share of what the rule compares.

        That is the softmax of the shifted logits or log-probabilities, so that a row on the border between two classes
        is unsure whichever of them is decided; under a cost matrix it is the decided class's probability.
        """
        shares = (
            probabilities
            if self.cost is not None
            else scipy.special.softmax(self._scores(logits, probabilities), axis=1)
        )
        decided = self.forced(logits, probabilities)
        return np.asarray(np.take_along_axis(shares, decided[:, None], axis=1)[:, 0])

    def _scores(self, logits: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            scores = np.asarray(logits if self.on == "logits" else np.log(probabilities), dtype=np.float64)
        return scores if self.shift is None else scores + self.shift

    def fault(self, num_classes: int) -> str:
        """Return what keeps the rule from being used or saved for K classes: ``"a shift of …"``; empty if nothing."""
        if self.on not in ("logits", "probabilities"):
            return f"on={self.on!r} instead of 'logits' or 'probabilities'"
        if self.reject_below is not None and not _is_number(self.reject_below):
            return f"reject_below={self.reject_below!r} instead of a number"
        if self.floor is not None and not (
            len(self.floor) == 2 and self.floor[0] in range(num_classes) and _is_number(self.floor[1])
        ):
            return f"floor={self.floor!r} instead of a class number and a sensitivity"
        # A class that is in every set has an infinite limit, which no other number here may be.
        capped = np.where(self.sets == np.inf, 0.0, self.sets) if isinstance(self.sets, np.ndarray) else self.sets
        if fault := _array_fault("vector of sets", capped, (num_classes,)):
            return fault
        return _array_fault("shift", self.shift, (num_classes,)) or _array_fault("cost", self.cost, (num_classes,) * 2)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of plain numbers and lists."""
        return {
            "name": self.name,
            "on": self.on,
            "shift": None if self.shift is None else self.shift.tolist(),
            "cost": None if self.cost is None else self.cost.tolist(),
            "reject_below": self.reject_below,
            "floor": None if self.floor is None else list(self.floor),
            "sets": None if self.sets is None else [float(x) if np.isfinite(x) else None for x in self.sets],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DecisionRule:
        """Read what :meth:`to_json` wrote."""
        as_array = {k: None if data[k] is None else np.asarray(data[k], dtype=np.float64) for k in ("shift", "cost")}
        floor, sets = data.get("floor"), data.get("sets")
        return cls(
            data["on"],
            as_array["shift"],
            as_array["cost"],
            data["reject_below"],
            data["name"],
            floor=None if floor is None else (int(floor[0]), float(floor[1])),
            sets=None if sets is None else np.array([np.inf if x is None else float(x) for x in sets]),
        )


def _is_number(value: object) -> bool:
    """Return whether a value is a finite number, of Python or NumPy."""
    return isinstance(value, (int, float, np.integer, np.floating)) and bool(np.isfinite(value))


def _array_fault(name: str, values: object, shape: tuple[int, ...]) -> str:
    """Return what is wrong with an array of numbers; None is none and right."""
    if values is None:
        return ""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        kind = f"an array of {values.dtype}" if isinstance(values, np.ndarray) else f"a {type(values).__name__}"
        return f"{kind} as {name} instead of an array of numbers"
    if values.shape != shape:
        return f"a {name} of shape {values.shape} instead of {shape}"
    return "" if bool(np.isfinite(values).all()) else f"a {name} that is not finite"


def pooled(logits: np.ndarray, probabilities: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and probabilities of stretches of rows: what a rule decides a patient on.

    Parameters
    ----------
    logits, probabilities : ndarray of float64, shape (N, K)
        N at least 1.
    starts : ndarray of int64, shape (G,)
        Where each stretch begins; the first one at 0.

    Returns
    -------
    scores : ndarray of float64, shape (G, K)
        The logarithm of the mean of the logits' softmax.
    mean : ndarray of float64, shape (G, K)
        The mean of the probabilities.
    """
    sizes = np.diff(np.append(starts, len(probabilities)))
    mean = np.add.reduceat(probabilities, starts, axis=0) / sizes[:, None]
    trained = scipy.special.log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    # The largest of each stretch is taken out before exponentials, so that their sum cannot vanish.
    largest = np.maximum.reduceat(trained, starts, axis=0)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    sums = np.add.reduceat(np.exp(trained - np.repeat(largest, sizes, axis=0)), starts, axis=0)
    with np.errstate(divide="ignore"):
        return np.log(sums / sizes[:, None]) + largest, mean
