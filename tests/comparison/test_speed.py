"""Precision and memory format of a comparison are chosen once, by whoever is first with its folder."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imbtk.comparison import speed
from imbtk.comparison.cells import Job
from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.speed import kept_speed, settled_once
from imbtk.runs.format import SPEED


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Return a job whose trial finds bf16 the first time it is made, and fails the second."""
    tried: list[int] = []

    def settled(job: Job, cells: Any) -> Any:
        tried.append(1)
        assert len(tried) == 1, "tried a second time"
        config = job.config.model_copy(update={"precision": "bf16", "memory_format": "contiguous"})
        return SimpleNamespace(model=SimpleNamespace(config=config, speed=SimpleNamespace(words="2.0 times as fast")))

    monkeypatch.setattr(speed, "_settled_cell", settled)
    return Job(make_comparison_config({"data": "builtin:digits"}), str(tmp_path))


def test_what_was_found_is_written_and_not_tried_again(job: Job, tmp_path: Path) -> None:
    assert kept_speed(tmp_path) == {}
    for _ in range(2):
        config = settled_once(tmp_path, job, [])
        assert (config.precision, config.memory_format) == ("bf16", "contiguous")
    assert [path.name for path in tmp_path.iterdir()] == [SPEED]
    kept = json.loads((tmp_path / SPEED).read_text())
    assert kept == {"precision": "bf16", "memory_format": "contiguous", "words": "2.0 times as fast"}
    assert kept_speed(tmp_path) == {"precision": "bf16", "memory_format": "contiguous"}


def test_the_first_of_two_shards_decides_for_both(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = speed._write_first

    def late(path: Path, text: str) -> None:
        # Another shard was faster while this one tried.
        real(path, json.dumps({"precision": "fp32", "memory_format": "channels-last"}))
        real(path, text)

    monkeypatch.setattr(speed, "_write_first", late)
    config = settled_once(tmp_path, job, [])
    assert (config.precision, config.memory_format) == ("fp32", "channels-last")
    assert [path.name for path in tmp_path.iterdir()] == [SPEED]
