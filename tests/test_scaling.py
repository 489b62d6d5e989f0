"""What a run does grows with the rows of a table no faster than they do: calls are counted, no time is taken."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import imbtk
from imbtk.runs.reading import read_run


def _table(folder: Path, rows: int) -> Path:
    generator = np.random.default_rng(0)
    path = folder / f"{rows}.csv"
    lines = [
        f"{generator.normal():.6f},{'ns'[row % 2]},2024-01-{1 + row % 28:02d},P{row // 2},{'ab'[row % 5 == 0]}"
        for row in range(rows)
    ]
    path.write_text("a,site,day,patient,label\n" + "\n".join(lines) + "\n")
    return path


def _calls(folder: Path, rows: int, name: str) -> int:
    """Return how often a run calls a function of Python or C."""
    path, count = _table(folder, rows), 0

    def counted(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        imbtk.run(path, epochs=1, model="linear", out=folder / name, quiet=True)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.skipif(sys.gettrace() is not None, reason="a debugger or coverage counts calls of its own")
def test_calls_grow_with_rows_as_rows_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Drawing takes millions of calls whatever there is to draw: the folder is read as for a page, and nothing is drawn.
    monkeypatch.setattr("imbtk.pipeline.results.make_report", read_run)
    _calls(tmp_path, 1000, "first")  # imports, and what is kept for later runs
    few, more, many = (_calls(tmp_path, rows, f"r{rows}") for rows in (1000, 2000, 4000))
    # Twice the step costs twice the calls if they are linear, four times if they are quadratic.
    assert many - more < 2.6 * (more - few), (few, more, many)
