"""The histology example on images made here, named as BreakHis names them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "histology" / "study.py"


@pytest.mark.slow
def test_the_study_runs_and_prints_colour_beside_the_network(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for patient in range(20):
        benign = patient % 2 == 0
        folder = tmp_path / "data" / ("benign" if benign else "malignant")
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(3):
            colour = np.array([200, 120, 180]) if benign else np.array([120, 60, 160])
            pixels = np.clip(colour + generator.normal(0, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
            name = f"SOB_{'B_A' if benign else 'M_DC'}-14-{20000 + patient}-200-{number:03d}.png"
            Image.fromarray(pixels).save(folder / name)
    out = tmp_path / "run"
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "data"), "--epochs", "2", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-4:]
    assert last[0].split() == ["test", "images", "network", "(95", "%", "interval)", "colour", "alone"]
    # The classes differ in colour alone here, so the histograms must find them.
    assert all(float(line.split()[-1]) == 1.0 for line in last[1:])
    assert (out / "report.html").exists()
