"""Tests of ``imbtk strategies``."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from imbtk.discovery import catalogue

Call = Callable[..., Result]


def test_the_list(call: Call, plugin_file: Path) -> None:
    result = call("strategies", "--plugin", plugin_file)
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.split("\n")]
    assert "keep-head Leave the head as it is." in lines
    assert lines.index("Heads, second stages, averages") < lines.index("keep-head Leave the head as it is.")
    assert "tilt-weights Weight classes by a power of their rarity." in lines
    assert "tilted.py sha256:" in "".join(result.stdout.split("\n")[:3])
    assert max(map(len, result.stdout.split("\n"))) <= 80 or str(plugin_file) in result.stdout


def test_nothing_installed(call: Call) -> None:
    result = call("strategies")
    assert result.exit_code == 0
    assert "No strategy is installed, or all are switched off (IMBTK_PLUGINS)." in result.stdout


@pytest.fixture
def one_broken(call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a caller for whom a plugin is installed that cannot be imported."""

    def points(**_: Any) -> list[EntryPoint]:
        return [EntryPoint("broken", "no_such_module_anywhere", "imbtk")]

    monkeypatch.setattr(catalogue, "entry_points", points)
    monkeypatch.delenv("IMBTK_PLUGINS")
    return call


def test_a_plugin_that_failed_is_listed_with_the_reason(one_broken: Call, plugin_file: Path) -> None:
    result = one_broken("strategies", "--plugin", plugin_file)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "tilt-weights" in text
    assert "Plugins that cannot be used plugin 'broken' (unknown distribution) cannot be imported:" in text
    assert "No module named 'no_such_module_anywhere'" in text


def test_a_plugin_that_failed_does_not_spoil_the_json(one_broken: Call, plugin_file: Path) -> None:
    result = one_broken("strategies", "--plugin", plugin_file, "--json")
    assert len(json.loads(result.stdout)) == 2
    assert result.stderr.startswith("Warning: plugin 'broken' (unknown distribution) cannot be imported:")


def test_json(call: Call, plugin_file: Path) -> None:
    listed = json.loads(call("strategies", "--plugin", plugin_file, "--json").stdout)
    assert [entry["name"] for entry in listed] == ["keep-head", "tilt-weights"]
    entry = listed[1]
    assert {"name", "summary", "stages", "options", "distribution"} <= set(entry)
    assert entry["summary"] == "Weight classes by a power of their rarity."
    assert entry["stages"] == ["class weights"]
    assert entry["distribution"].startswith(f"{plugin_file} sha256:")
    power, scheme = entry["options"]
    assert {k: power[k] for k in ("name", "type", "default", "minimum", "maximum", "choices")} == {
        "name": "power",
        "type": "number",
        "default": 0.5,
        "minimum": 0,
        "maximum": 4,
        "choices": None,
    }
    assert scheme["choices"] == ["plain", "loud"]


def test_json_of_one(call: Call, plugin_file: Path) -> None:
    listed = json.loads(call("strategies", "keep_head", "--plugin", plugin_file, "--json").stdout)
    assert [entry["name"] for entry in listed] == ["keep-head"]


def test_unknown_name(call: Call, plugin_file: Path) -> None:
    result = call("strategies", "tilt-weight", "--plugin", plugin_file)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: unknown strategy 'tilt-weight'.")


def test_source(call: Call, plugin_file: Path) -> None:
    result = call("strategies", "tilt-weights", "--plugin", plugin_file, "--source")
    assert result.stdout == plugin_file.read_text(encoding="utf-8")


def test_source_of_all_is_refused(call: Call) -> None:
    result = call("strategies", "--source")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: --source shows one strategy: imbtk strategies NAME --source. Help: imbtk strategies --help\n"
    )
