"""What a comparison says while it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from imbtk.comparison.cells import CellResult
from imbtk.comparison.progress import GridProgress


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with GridProgress() as progress:
        progress.on_grid(Path("study"), 12, 6, 2, {"plan x": "no sense"})
        progress.on_cell("'plan y', repeat 1, fold 1", CellResult("a", "failed", "out of luck"))
        progress.on_cell("'plan y', repeat 1, fold 2", CellResult("b", "done"))
        progress.on_left(Path("study"), 4)
    lines = capsys.readouterr().err.split("\n")
    assert lines[0] == "left out: 'plan x': no sense"
    assert lines[1] == "12 cells (plan x fold x repeat) in study, 6 of them in this shard, 4 done before"
    assert lines[2] == "failed: 'plan y', repeat 1, fold 1: out of luck"
    assert lines[3].startswith("2 of 2 cells, ")
    assert lines[4] == "4 cells are left for other shards. When they are done: imbtk report study"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with GridProgress(quiet=True) as progress:
        progress.on_grid(Path("study"), 12, 6, 2, {})
        progress.on_cell("x", CellResult("a", "failed", "out of luck"))
        progress.on_left(Path("study"), 4)
    assert capsys.readouterr() == ("", "")
