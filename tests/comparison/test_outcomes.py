"""What cells predicted, read back to the last digit; the decision moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imbtk.comparison.cells import cell_folder
from imbtk.comparison.comparison import Comparison
from imbtk.comparison.folder import ComparisonFolder
from imbtk.comparison.grid import GridCell
from imbtk.comparison.outcomes import with_decision_moved
from imbtk.errors import RunFolderError


def test_every_row_has_one_prediction_in_each_repeat(finished: Comparison, patients_csv: Path) -> None:
    import pandas as pd

    folder = ComparisonFolder(finished.folder)
    rows, outcome = folder.read(folder.plans[0])
    table = pd.read_csv(patients_csv)
    assert rows.fold.shape == outcome.predicted.shape == (2, len(table))
    assert (rows.fold >= 0).all()
    assert (outcome.predicted >= 0).all()
    assert [rows.class_names[k] for k in rows.labels] == table["label"].tolist()
    assert len(np.unique(rows.unit)) == table["patient"].nunique()
    assert outcome.probabilities.sum(axis=2) == pytest.approx(1)
    assert len(outcome.costs) == 6


def test_probabilities_are_read_to_the_last_digit(finished: Comparison) -> None:
    folder = ComparisonFolder(finished.folder)
    _, outcome = folder.read(folder.plans[0])
    lines = (cell_folder(finished.folder, GridCell(folder.plans[0], 0, 0)) / "predictions.csv").read_text().split("\n")
    row, side, *_, p = next(line for line in lines if ",test," in line).split(",")
    assert side == "test"
    assert outcome.probabilities[0, int(row), -1] == float(p)


def test_the_moved_decision_takes_the_largest_ratio_to_the_prior(simulate) -> None:  # type: ignore[no-untyped-def]
    _, (outcome, _) = simulate(0)
    priors = np.broadcast_to(np.array([0.9, 0.1]), outcome.probabilities.shape)
    moved = with_decision_moved(replace(outcome, priors=priors), "moved")
    # p / 0.9 against (1 - p) / 0.1: the second class from 10 % on.
    assert np.array_equal(moved.predicted, (outcome.probabilities[:, :, 1] > 0.1).astype(int))
    assert np.array_equal(moved.probabilities, outcome.probabilities)


def test_with_a_uniform_prior_nothing_moves(simulate) -> None:  # type: ignore[no-untyped-def]
    _, (outcome, _) = simulate(0)
    assert np.array_equal(with_decision_moved(outcome, "moved").predicted, outcome.predicted)


def test_a_class_without_mass_is_never_decided(simulate) -> None:  # type: ignore[no-untyped-def]
    _, (outcome, _) = simulate(0)
    priors = np.broadcast_to(np.array([1.0, 0.0]), outcome.probabilities.shape)
    assert (with_decision_moved(replace(outcome, priors=priors), "moved").predicted == 0).all()


def test_a_broken_cell_is_named(finished: Comparison, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished.folder, tmp_path / "copy")
    folder = ComparisonFolder(tmp_path / "copy")
    place = cell_folder(folder.folder, GridCell(folder.plans[0], 0, 0))
    (place / "predictions.csv").write_text("row,split\n1,test\n", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"the cell 'nothing', repeat 1, fold 1 in .* Delete that folder and give"):
        folder.read(folder.plans[0])
