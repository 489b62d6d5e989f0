"""The example plugin, installed from its own wheel beside ours, is a strategy like any other."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

EXAMPLE = Path(__file__).parents[2] / "examples" / "third_party"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example from its wheel into a folder of its own, without the network."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    wheels, target = folder / "wheels", folder / "site"
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, source], check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", target, wheel], check=True)
    return target


def call(site: Path, *arguments: str, cwd: Path) -> str:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)]),
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_strategy_has_at_most_15_lines() -> None:
    (source,) = (EXAMPLE / "src").rglob("sqrt_weights.py")
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 15


@pytest.mark.slow
def test_it_is_listed_like_any_other(site: Path, tmp_path: Path) -> None:
    listed = json.loads(call(site, "imbtk", "strategies", "--json", cwd=tmp_path))
    (theirs,) = [entry for entry in listed if entry["name"] == "sqrt-weights"]
    (ours,) = [entry for entry in listed if entry["name"] == "class-weights"]
    assert theirs["distribution"] == "imbtk-sqrt-weights 0.1.0"
    assert theirs.keys() == ours.keys()
    assert (theirs["stages"], theirs["takes_window"]) == (ours["stages"], ours["takes_window"])
    assert "Exponent on the inverse frequency." in call(site, "imbtk", "strategies", "sqrt-weights", cwd=tmp_path)


@pytest.mark.slow
def test_it_takes_part_in_a_run(site: Path, tmp_path: Path) -> None:
    """In the plan, the ledger, the checkpoint, the report; and the model predicts where it is not installed."""
    out = tmp_path / "run"
    call(
        site, "imbtk", "run", "builtin:breast-cancer", "-s", "sqrt-weights:power=1.0@50%-",
        "--epochs", "2", "--out", str(out), "--quiet", cwd=tmp_path,
    )  # fmt: skip
    plan = json.loads((out / "plan.json").read_text())
    (entry,) = plan["strategies"]
    assert (entry["spec"], entry["distribution"]) == ("sqrt-weights:power=1.0@50%-", "imbtk-sqrt-weights 0.1.0")
    assert [phase["strategies"] for phase in plan["phases"]] == [[], ["sqrt-weights:power=1.0@50%-"]]
    # Weights of one over the count make the classes count alike: the ledger knows without being told.
    assert plan["ledger"][1]["rows"]["weighted"] == pytest.approx([0.5, 0.5])
    assert json.loads((out / "environment.json").read_text())["plugins"] == {"sqrt-weights": "imbtk-sqrt-weights 0.1.0"}
    assert "imbtk-sqrt-weights 0.1.0" in (out / "report.html").read_text(encoding="utf-8")
    state = torch.load(out / "checkpoint" / "last.ckpt", weights_only=True)
    assert "sqrt-weights" in state["strategies"]
    with (out / "history.csv").open() as file:
        assert [row["phase"] for row in csv.DictReader(file)] == ["0", "1"]


@pytest.mark.slow
def test_it_passes_its_own_tests_and_the_kit(site: Path, tmp_path: Path) -> None:
    tests = str(EXAMPLE / "tests")
    text = call(site, "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", tests, cwd=tmp_path)
    assert "passed" in text
    assert "skipped" not in text
    assert ", 0 failed" in call(site, "imbtk", "plugins", "check", "sqrt-weights", cwd=tmp_path)


def test_core_knows_no_strategy_by_name() -> None:
    """No line of core could tell the example from one of ours."""
    root = EXAMPLE.parents[1]
    for path in (root / "imbtk").rglob("*.py"):
        assert "imbtk_plugins" not in path.read_text(encoding="utf-8"), path
