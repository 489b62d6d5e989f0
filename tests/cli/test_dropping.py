"""An npz that would be refused, with the flags that let every command read it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

Call = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path, write_medmnist: Callable[..., Path]) -> Path:
    return write_medmnist(tmp_path / "breast.npz")


def test_every_command_takes_the_flags(
    call: Call, file: Path, tmp_path: Path, write_medmnist: Callable[..., Path]
) -> None:
    flags = ("--drop-conflicts", "--drop-leaks", "--class-names", "0=malignant,1=benign")
    run = tmp_path / "run"
    done = call("run", file, *flags, "--model", "linear", "--epochs", 6, "--out", run)
    assert done.exit_code == 0, done.output
    assert "2 training images and 1 validation image are left out" in " ".join(done.output.split())
    with (run / "dropped.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["row"], row["side"]) for row in rows][:2] == [("train[0]", "train"), ("val[1]", "validation")]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "--drop-conflicts" in page
    assert "--drop-leaks" in page
    with (run / "split.csv").open(encoding="utf-8") as lines:
        first = next(csv.DictReader(lines))
    assert (first["file"], first["label"], first["split"]) == ("train[1]", "benign", "train")
    assert "drop_leaks = true" in (run / "config.toml").read_text()

    checked = call("check", file, *flags, "--json", "--quiet")
    assert (checked.exit_code, json.loads(checked.stdout)["class_names"]) == (0, ["malignant", "benign"])
    assert call("check", file).exit_code == 1
    assert "--drop-conflicts" in call("check", file).output

    # Labels of new data are called as in training, or by the names that were given to them then.
    other = write_medmnist(tmp_path / "other.npz", clean=True, seed=1)
    evaluated = call("evaluate", run, other, "--out", tmp_path / "e", "--ignore-split", "--json")
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["evaluation"]["rows"] == 76
    predicted = call("predict", run, other, "--out", tmp_path / "p.csv", "--ignore-split")
    assert predicted.exit_code == 0, predicted.output
    assert pd.read_csv(tmp_path / "p.csv").shape[0] == 76


def test_a_comparison_takes_the_flags(call: Call, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMBTK_PLUGINS")
    flags = ("--drop-conflicts", "--drop-leaks", "--class-names", "0=malignant,1=benign")
    options = ("--model", "linear", "--epochs", 2, "--folds", 2, "--repeats", 1, "--jobs", 1, "--out", tmp_path / "c")
    done = call("compare", file, "--plan", "class-weights", *flags, *options)
    assert done.exit_code == 0, done.output
    protocol = json.loads((tmp_path / "c" / "protocol.json").read_text())
    assert any("--drop-leaks" in note for note in protocol["notes"])
    assert protocol["data"]["class_names"] == ["malignant", "benign"]
    assert len((tmp_path / "c" / "dropped.csv").read_text().splitlines()) == 1 + 5
