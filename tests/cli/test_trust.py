"""A run folder from a stranger runs no code, by whatever door it is loaded."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import imbtk
from imbtk.errors import RunFolderError

Call = Callable[..., Result]


@pytest.fixture
def stranger(call: Call, table_run: Path, write_attack: Callable[[Path, Path], None]) -> Path:
    """Return a run folder whose model.json leads to a program that makes the file ``marker``."""
    shutil.copytree(table_run, "stranger")
    path = Path("stranger/model/model.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "backbone": None}))
    write_attack(Path("stranger/model/network.pt2"), Path.cwd() / "marker")
    shutil.copy(table_run.parent / "train.csv", "rows.csv")
    return Path("stranger")


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_commands_run_nothing_and_name_the_flag(call: Call, stranger: Path, command: str) -> None:
    result = call(command, stranger, "rows.csv")
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert "which runs whatever code somebody hid in the file. It was not opened." in said
    assert "say --trust-model (trust_model=True in Python)." in said
    assert not Path("marker").exists()


@pytest.mark.filterwarnings("ignore")  # of torch, about inputs that are no inputs
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_with_the_flag_the_attack_works(call: Call, stranger: Path, command: str) -> None:
    call(command, stranger, "rows.csv", "--trust-model")
    assert Path("marker").exists(), "the attack is no attack: the test above cannot fail"


def test_python_and_the_page_run_nothing(call: Call, stranger: Path) -> None:
    run = imbtk.load(stranger)
    with pytest.raises(RunFolderError, match="trust_model=True in Python"):
        run.predict([[0.0, 0.0]])
    assert call("report", stranger).exit_code == 0
    assert not Path("marker").exists()


@pytest.mark.filterwarnings("ignore")
def test_python_trusts_when_told(stranger: Path) -> None:
    with contextlib.suppress(Exception):
        imbtk.load(stranger, trust_model=True).predict([[0.0, 0.0]])
    assert Path("marker").exists()
