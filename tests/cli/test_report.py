"""``imbtk report`` of a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result


def test_the_page_of_a_run_is_made_anew(call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        call("run", "builtin:breast-cancer", "--model", "linear", "--epochs", 1, "--out", "first", "-q").exit_code == 0
    )
    Path("first/report.html").unlink()
    found = call("report", "first")
    assert found.exit_code == 0, found.output
    assert Path("first/report.html").is_file()
    shown: list[str] = []
    monkeypatch.setattr(click, "launch", shown.append)
    assert call("report", "first", "--open").exit_code == 0
    assert shown == [Path("first/report.html").resolve().as_uri()]


def test_a_folder_that_is_neither(call: Callable[..., Result]) -> None:
    found = call("report", "nowhere")
    assert found.exit_code == 2
    assert "nowhere is no folder, so there is no finished run to report on" in found.stderr
