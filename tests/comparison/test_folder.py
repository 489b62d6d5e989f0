"""The folder of a comparison, read back."""

from __future__ import annotations

from pathlib import Path

from imbtk.comparison.cells import _write_failure, cell_folder
from imbtk.comparison.comparison import Comparison
from imbtk.comparison.folder import ComparisonFolder


def test_plans_and_options_are_those_of_the_command(finished: Comparison) -> None:
    folder = ComparisonFolder(finished.folder)
    assert [plan.name for plan in folder.plans] == [
        "nothing",
        "class-weights",
        "focal-loss",
        "class-weights focal-loss",
    ]
    assert folder.plans[3].parts == ("class-weights", "focal-loss")
    assert (folder.config.folds, folder.config.repeats, folder.config.margin) == (3, 2, 0.1)
    assert folder.class_names == ("healthy", "ill")
    assert folder.positive == 1
    assert len(folder.train_counts()) == 2


def test_what_a_plan_lacks(finished: Comparison, tmp_path: Path) -> None:
    folder = ComparisonFolder(finished.folder)
    plan = folder.plans[1]
    assert folder.lacks(plan) is None
    folder.folder = tmp_path
    assert folder.lacks(plan) == "0 of 6 cells are done"
    for cell in folder.cells(plan)[:2]:
        cell_folder(tmp_path, cell).parent.mkdir(parents=True, exist_ok=True)
        _write_failure(tmp_path, cell, ValueError("no"))
    assert folder.lacks(plan) == "repeat 1, fold 1 failed (and 1 more): ValueError: no"
