"""What a run says while it goes on."""

from __future__ import annotations

import pytest

from imbtk.console.progress import RunProgress


def said(seconds_a_step: float, total: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is said of a training whose steps take so long each."""
    now = [0.0]
    with RunProgress(clock=lambda: now[0]) as progress:
        for step in range(1, total + 1):
            now[0] += seconds_a_step
            progress.on_step(step, total, 0.5)
    return capsys.readouterr().err


def test_how_long_training_takes_is_said_once_by_its_first_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(0.25, 1200, capsys) == "Training takes about 5 min.\n"


def test_a_short_training_is_not_announced(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(0.25, 40, capsys) == ""


def test_an_end_for_want_of_time_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.on_ended("training ended after epoch 2 of 9")
    assert capsys.readouterr().err == "Training ended after epoch 2 of 9.\n"
