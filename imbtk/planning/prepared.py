"""A run that is checked and ready to train, as what trains, calibrates, decides and writes takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from imbtk.authoring.context import Rows, RunContext, Split
from imbtk.authoring.prediction import View
from imbtk.data.dataset import Dataset
from imbtk.data.normalise import Normalisation
from imbtk.discovery.catalogue import Catalogue
from imbtk.models.spec import ModelSpec
from imbtk.planning.config import RunConfig
from imbtk.planning.phases import BuiltPhase
from imbtk.planning.plan import Plan

if TYPE_CHECKING:
    from imbtk.training.speed import Speed

__all__ = ["MemberRun", "PreparedRun", "RunData", "RunModel", "RunPlan", "Unseen"]


@dataclass(frozen=True)
class Unseen:
    """What other models of the same plan say of training rows that each of them had not seen.

    A run on all rows has none of its own to fit probabilities and decisions on: it takes these.

    Attributes
    ----------
    rows : Tensor of int64, shape (n,)
    logits : ndarray of float64, shape (n, K)
    models : int
        How many there were.
    epochs : int
        After how many epochs these were kept: training ends there.
    estimate : dict
        What these models reach on such rows, for ``metrics.json``.
    """

    rows: torch.Tensor
    logits: np.ndarray
    models: int
    epochs: int
    estimate: dict[str, Any]


@dataclass(frozen=True)
class RunData:
    """What is trained on.

    Attributes
    ----------
    dataset : Dataset
    split : Split
        Training rows are those that are left after an imbalance was induced.
    normalisation : Normalisation
    rows : Rows
        Training rows, as the resampling chain gets them.
    dropped : Tensor of int64
        Training rows that an induced imbalance took away.
    folds : int
        How many folds the split has.
    """

    dataset: Dataset
    split: Split
    normalisation: Normalisation
    rows: Rows
    dropped: torch.Tensor
    folds: int


@dataclass(frozen=True)
class RunPlan:
    """What is done.

    Attributes
    ----------
    strategies : Plan
    phases : tuple of BuiltPhase
    context : RunContext
        Of all training rows: no phase, no resampling.
    deployment : ndarray of float64, shape (K,)
        Class frequencies where the model will be used.
    views : tuple of View
        Looks that a prediction is the mean of; empty for one.
    decision : str
        How a class is going to be picked, for people.
    warnings : tuple of str
    """

    strategies: Plan
    phases: tuple[BuiltPhase, ...]
    context: RunContext
    deployment: np.ndarray
    views: tuple[View, ...] = ()
    decision: str = "as trained"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunModel:
    """What is trained, on what, and how.

    Attributes
    ----------
    spec : ModelSpec
    device : torch.device
    config : RunConfig
        Resolved, but for precision and memory format, which :func:`imbtk.training.settling.settled` fills in.
    speed : Speed, optional
        What came of trying precisions and memory formats.
    """

    spec: ModelSpec
    device: torch.device
    config: RunConfig
    speed: Speed | None = None


@dataclass(frozen=True)
class MemberRun:
    """One of several models that predict as one.

    Attributes
    ----------
    run : PreparedRun
    unseen : Tensor of int64, shape (n,)
        Training and validation rows of the whole run that it has not seen, nor any row of their groups, sorted.
    """

    run: PreparedRun
    unseen: torch.Tensor


@dataclass(frozen=True)
class PreparedRun:
    """A run that is checked and ready to train.

    Attributes
    ----------
    data : RunData
    plan : RunPlan
    model : RunModel
    catalogue : Catalogue
    inner : tuple of PreparedRun
        Models of the same plan without the run's test rows, each of which predicts the rows of one fold: what a
        decision is fitted on. Empty where no decision is fitted or folds do not allow it.
    unseen : Unseen, optional
        Where the run trains on all rows: what is fitted on top of the network is fitted on this.
    members : tuple of MemberRun
        Where the run is several models that predict as one; `plan` is then what they believe together.
    """

    data: RunData
    plan: RunPlan
    model: RunModel
    catalogue: Catalogue
    inner: tuple[PreparedRun, ...] = ()
    unseen: Unseen | None = None
    members: tuple[MemberRun, ...] = ()

    @property
    def trainings(self) -> tuple[PreparedRun, ...]:
        """What is trained, inner models apart: the members, or the run itself."""
        return tuple(member.run for member in self.members) or (self,)

    @property
    def known(self) -> torch.Tensor:
        """Training and validation rows, sorted."""
        return torch.cat([self.data.split.train, self.data.split.validation]).sort().values

    @property
    def covered(self) -> bool:
        """Whether each training and validation row has members that have not seen it."""
        if not self.members or self.unseen is not None:
            return False
        return bool(torch.isin(self.known, torch.cat([member.unseen for member in self.members])).all())

    @property
    def sides(self) -> dict[str, torch.Tensor]:
        """The rows with logits by other models or none: validation and test, or those that others had not seen."""
        if self.unseen is not None:
            return {"out_of_fold": self.unseen.rows}
        return {"validation": self.data.split.validation, "test": self.data.split.test}

    @property
    def judged(self) -> dict[str, torch.Tensor]:
        """The rows that are predicted: both sides, and before them all that are new to members, where all are."""
        return {"out_of_fold": self.known, **self.sides} if self.covered else self.sides

    @property
    def calibration_rows(self) -> torch.Tensor:
        """The rows that probabilities are fitted on: validation rows, or those that models had not seen."""
        if self.covered:
            return self.known
        return self.data.split.validation if self.unseen is None else self.unseen.rows

    @property
    def decision_rows(self) -> torch.Tensor:
        """The rows that a decision is fitted on: out-of-fold rows, fold after fold, or validation rows."""
        return torch.cat([run.data.split.test for run in self.inner]) if self.inner else self.calibration_rows

    @property
    def decision_models(self) -> int:
        """How many other models predict the rows that a decision is fitted on; 0 where they are validation rows."""
        if self.covered:
            return len(self.members)
        return len(self.inner) if self.unseen is None else self.unseen.models
