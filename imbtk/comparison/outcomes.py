"""What the cells predicted: one out-of-fold prediction of each row in each repeat, for each plan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imbtk.comparison.cells import cell_folder
from imbtk.comparison.grid import GridCell, PlanRow
from imbtk.errors import RunFolderError
from imbtk.runs.format import CALIBRATION, HISTORY, PLAN, PREDICTIONS

if TYPE_CHECKING:
    from imbtk.authoring.context import ExtraMetric

__all__ = ["CellCost", "JudgedRows", "Outcome", "read_outcome", "with_decision_moved"]


@dataclass(frozen=True)
class JudgedRows:
    """The rows that all plans are judged on. R repeats, N rows, F folds.

    Attributes
    ----------
    labels : ndarray of int64, shape (N,)
    groups : ndarray of int64, shape (N,), optional
        Patient of each row; None where that is not known: then rows are the unit.
    class_names : tuple of str, length K
    fold : ndarray of int64, shape (R, N)
        In which test fold a row is, in each repeat.
    positive : int, optional
        The positive class of binary data.
    group_name : str
        What a group is called.
    cost : ndarray of float64, shape (K, K), optional
        ``cost[truth, decided]``, where plans state one.
    asked : tuple of str
        Metrics to compute beside those that are always.
    extra : mapping of str to callable
        Those of `asked` that a plugin offers.
    """

    labels: np.ndarray
    groups: np.ndarray | None
    class_names: tuple[str, ...]
    fold: np.ndarray
    positive: int | None = None
    group_name: str = "group"
    cost: np.ndarray | None = None
    asked: tuple[str, ...] = ()
    extra: Mapping[str, ExtraMetric] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @property
    def unit(self) -> np.ndarray:
        """Number of the unit that is resampled, 0 to U − 1, for each row: int64 of shape (N,)."""
        if self.groups is None:
            return np.arange(len(self.labels))
        return np.unique(self.groups, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class CellCost:
    """What a cell cost: seconds of training, samples a second, and rows on each side of its split."""

    seconds: float
    samples_per_second: float
    train: int
    test: int


@dataclass(frozen=True)
class Outcome:
    """What a plan predicted.

    Attributes
    ----------
    name : str
    predicted : ndarray of int64, shape (R, N)
        -1 where the decision was left open.
    probabilities : ndarray of float64, shape (R, N, K)
    priors : ndarray of float64, shape (R, N, K)
        The class frequencies at which a row's probabilities hold: those of its cell.
    costs : tuple of CellCost
        Of the cells, repeat by repeat.
    """

    name: str
    predicted: np.ndarray
    probabilities: np.ndarray
    priors: np.ndarray
    costs: tuple[CellCost, ...] = ()


def with_decision_moved(baseline: Outcome, name: str) -> Outcome:
    """Return the baseline with another decision and the same training: the class with the largest p_k / π_k.

    Notes
    -----
    π is the prior at which the calibrated probabilities p hold. Where they are right, no other rule has a higher
    balanced accuracy. Nothing is fitted beside the calibration, whose temperature and shift come from the cell's
    validation rows: a threshold that is searched on some dozen rare validation rows is noisier than that.

    References
    ----------
    Menon et al. 2021, "Long-tail learning via logit adjustment", section 4.1, equation 9 (tau = 1).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(baseline.priors > 0, np.log(baseline.probabilities) - np.log(baseline.priors), -np.inf)
    return replace(baseline, name=name, predicted=scores.argmax(axis=2))


def read_outcome(
    folder: Path,
    plan: PlanRow,
    repeats: int,
    folds: int,
    class_names: Sequence[str],
    *,
    ungrouped: bool = False,
    positive: int | None = None,
) -> tuple[JudgedRows, Outcome]:
    """Return the rows and what a plan predicted, from the run folders of its cells.

    Raises
    ------
    RunFolderError
        If a cell cannot be read, or test folds are not all rows once.
    """
    cells = [
        [_read_cell(folder, GridCell(plan, r, f, ungrouped), class_names) for f in range(folds)] for r in range(repeats)
    ]
    # A test side that the data give is in no fold: the other rows are numbered anew, in their order.
    judged = np.unique(np.concatenate([cell["row"] for cell in cells[0]]))
    size = sum(len(cell["row"]) for cell in cells[0])
    k = len(class_names)
    labels, fold = np.full(size, -1), np.full((repeats, size), -1)
    groups = np.full(size, "", dtype=object)
    predicted = np.full((repeats, size), -1)
    probabilities, priors = np.zeros((repeats, size, k)), np.zeros((repeats, size, k))
    for r, f in np.ndindex(repeats, folds):
        cell = cells[r][f]
        row = np.searchsorted(judged, cell["row"])
        if len(judged) < size or not np.isin(cell["row"], judged).all() or (fold[r, row] >= 0).any():
            raise RunFolderError(
                f"the cells of '{plan.name}' in '{folder}' are of different splits. Take another --out."
            )
        labels[row], groups[row], fold[r, row] = cell["truth"], cell["group"], f
        predicted[r, row], probabilities[r, row], priors[r, row] = (
            cell["predicted"],
            cell["probabilities"],
            cell["prior"],
        )
    known = bool((groups != "").all())
    numbers = np.unique(groups.astype(str), return_inverse=True)[1].astype(np.int64) if known else None
    costs = tuple(cell["cost"] for line in cells for cell in line)
    rows = JudgedRows(labels, numbers, tuple(class_names), fold, positive)
    return rows, Outcome(plan.name, predicted, probabilities, priors, costs)


def _read_cell(folder: Path, cell: GridCell, class_names: Sequence[str]) -> dict[str, Any]:
    import pandas as pd

    place = cell_folder(folder, cell)
    number = {name: k for k, name in enumerate(class_names)} | {"": -1}
    try:
        # All as text: a class may be called NA, and numbers are read to their last digit.
        text = pd.read_csv(place / PREDICTIONS, dtype=str, keep_default_na=False)
        test = text[text["split"] == "test"]
        calibration = json.loads((place / CALIBRATION).read_text(encoding="utf-8"))
        return {
            "row": test["row"].astype(np.int64).to_numpy(),
            "group": test["group"].to_numpy(dtype=object),
            "truth": test["truth"].map(number).to_numpy(dtype=np.int64),
            "predicted": test["predicted"].map(number).to_numpy(dtype=np.int64),
            "probabilities": test[[f"p:{name}" for name in class_names]].astype(np.float64).to_numpy(),
            "prior": np.asarray(calibration["deployment_prior"], dtype=np.float64),
            "cost": _cost(place),
        }
    except (OSError, ValueError, KeyError) as error:
        raise RunFolderError(
            f"the cell {cell.words} in '{place}' cannot be read: {error}. Delete that folder and give the command "
            "again."
        ) from None


def _cost(place: Path) -> CellCost:
    import pandas as pd

    history = pd.read_csv(place / HISTORY)
    seconds = float(history["seconds"].sum())
    samples = float((history["seconds"] * history["samples_per_second"]).sum())
    split = json.loads((place / PLAN).read_text(encoding="utf-8"))["split"]
    return CellCost(seconds, samples / seconds if seconds else 0.0, int(split["train"]), int(split["test"]))
