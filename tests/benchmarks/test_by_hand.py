"""The statistics of the benchmark beside code written by hand, and that it goes on where it was stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return pytest.importorskip("by_hand_tables")


def test_the_test_is_students_where_folds_share_no_rows(tables: ModuleType) -> None:
    differences = np.random.default_rng(0).normal(0.3, 1.0, 10)
    assert tables.corrected_t_test(differences, 0.0) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


def test_folds_that_share_rows_say_less(tables: ModuleType) -> None:
    # On paper: mean 2, variance 2.5, five folds of five: t = 2 / sqrt((1/5 + 1/4) 2.5) = 1.886 with 4 degrees.
    differences = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    assert tables.corrected_t_test(differences, 0.25) == pytest.approx(2 * stats.t.sf(1.8856180831641267, 4))
    assert tables.corrected_t_test(np.zeros(5), 0.25) == 1.0


def test_holm_on_paper(tables: ModuleType) -> None:
    assert tables.holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
    assert tables.holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])


@pytest.mark.slow
def test_it_keeps_what_is_done_and_fills_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- by hand -->\nstale\n<!-- /by hand -->\nafter\n")
    command = [
        sys.executable, str(BENCHMARKS / "by_hand.py"), "--quick", "--only", "breast-cancer", "--seeds", "1",
        "--jobs", "1", "--work", str(tmp_path / "work"), "--out", str(page),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "[42/42]" in first.stdout  # seven methods, two seeds of three folds
    text = page.read_text()
    assert text.startswith("before\n<!-- by hand -->\n")
    assert text.endswith("<!-- /by hand -->\nafter\n")
    assert "stale" not in text
    assert "| imbtk: class-weights | 0.9" in text
    kept = sorted((tmp_path / "work" / "cells").rglob("*.json"))
    assert len(kept) == 42
    kept[0].unlink()
    second = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "[1/1]" in second.stdout
    assert [line for line in page.read_text().splitlines() if "forest" in line]
