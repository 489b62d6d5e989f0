"""Tests of ``imbtk check``: what is printed where, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

Call = Callable[..., Result]


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    """Return images with a split, of which one is on two sides."""
    rng = np.random.default_rng(0)
    for side in ("train", "test"):
        for label in ("cat", "dog"):
            for number in range(3):
                path = tmp_path / "pets" / side / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    (tmp_path / "pets/test/cat/0.png").write_bytes((tmp_path / "pets/train/cat/0.png").read_bytes())
    return tmp_path / "pets"


def test_a_leak_is_exit_code_1(call: Call, split_folder: Path) -> None:
    result = call("check", split_folder)
    assert result.exit_code == 1
    assert "✗ The split leaks identical images" in result.stdout
    assert result.stdout.rstrip().split("\n")[-1].strip() != ""
    assert "decoding images" in result.stderr
    quiet = call("check", split_folder, "--quiet")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (1, "", "")


def test_json_is_alone_on_standard_output(call: Call) -> None:
    result = call("check", "builtin:breast-cancer", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["failed"], document["class_counts"]) == (False, [357, 212])
    assert {"name", "title", "level", "text", "table"} == set(document["findings"][0])


def test_text_keeps_to_80_columns(call: Call) -> None:
    lines = call("check", "builtin:digits").stdout.split("\n")
    assert max(map(len, lines)) <= 80
    assert lines[0].strip() == "Check of builtin:digits"


def test_mistakes_are_exit_code_2(call: Call) -> None:
    for arguments, said in (
        (("check", "absent"), "there is no file or folder"),
        (("check",), "no data are given"),
        (("check", "builtin:digits", "--epochs", "3"), "unknown option --epochs"),
        (("check", "builtin:digits", "--group-column", "who"), "--group-column says nothing about"),
    ):
        result = call(*arguments)
        assert result.exit_code == 2
        assert said in result.stderr


def test_help_has_the_data_flags_and_no_others(call: Call) -> None:
    text = call("check", "--help").stdout
    for flag in ("--group-pattern", "--split-column", "--where", "--domain", "--cache-dir", "--seed", "--plugin"):
        assert flag in text
    for flag in ("--epochs", "--positive", "--strategy", "--out"):
        assert flag not in text
