"""``imbtk reproduce``: what is printed; what is trained is tested beside the function that trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

Call = Callable[..., Result]

TABLE = """
from imbtk import PublishedRow, PublishedTable, hookimpl

@hookimpl
def imbtk_plans():
    rows = {"plain": PublishedRow("", 61.5, "A paper"), "lacking": PublishedRow("not-there", 70.0, note="smaller")}
    return {"tiny": PublishedTable("A tiny table.", "an .npz", 2, {"model": "linear", "epochs": 2}, rows)}
"""


@pytest.fixture
def given(tmp_path: Path) -> list[object]:
    """Return the arguments that name a table and data for it."""
    (tmp_path / "table.py").write_text(TABLE, encoding="utf-8")
    images = np.random.default_rng(0).integers(0, 255, (24, 8, 8), dtype=np.uint8)
    labels = np.arange(12) % 2
    arrays = {"train_images": images[:12], "train_labels": labels, "test_images": images[12:], "test_labels": labels}
    np.savez(tmp_path / "data.npz", **arrays)
    return ["--plugin", tmp_path / "table.py", "--data", tmp_path / "data.npz"]


def test_a_table_of_ours_and_theirs(call: Call, given: list[object]) -> None:
    result = call("reproduce", "tiny", *given)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "61.5 A paper" in said
    assert "lacking – – 70.0 not installed: 'not-there'; smaller" in said
    assert "SHORTENED" not in said
    assert Path("reproductions/tiny/reproduction.json").is_file()


def test_a_shortened_version_says_so(call: Call, given: list[object]) -> None:
    said = " ".join(call("reproduce", "tiny", *given, "--epochs", 1, "--rows", "plain").stdout.split())
    assert "A SHORTENED VERSION: epochs 1, published with 2. It reproduces nothing" in said
    assert "lacking" not in said


def test_json_and_quiet(call: Call, given: list[object]) -> None:
    result = call("reproduce", "tiny", *given, "--rows", "lacking", "--json")
    assert json.loads(result.stdout)["rows"][0]["reason"] == "not installed: 'not-there'"
    assert call("reproduce", "tiny", *given, "--rows", "lacking", "--quiet").stdout == ""


def test_the_list_and_mistakes(call: Call, given: list[object]) -> None:
    assert "tiny A tiny table." in call("reproduce", *given[:2]).stdout
    assert "No plugin offers a published table." in call("reproduce").stdout
    result = call("reproduce", "tiny", *given[:2])
    assert result.exit_code == 2
    assert "say where the data of 'tiny' are: --data FOLDER" in result.stderr
