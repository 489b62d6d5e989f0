"""Tests of files of our own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imbtk.files import cache_folder, write_atomically


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBTK_CACHE", str(tmp_path / "env"))
    assert cache_folder(str(tmp_path / "given")) == tmp_path / "given"
    assert cache_folder(None) == tmp_path / "env"
    monkeypatch.delenv("IMBTK_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder(None) == tmp_path / "xdg" / "imbtk"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder(None) == Path.home() / ".cache" / "imbtk"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder(None) == Path.home() / "Library" / "Caches" / "imbtk"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder(None) == tmp_path / "local" / "imbtk"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "report.html"
    write_atomically(page, b"old")

    def fail(source: Path, target: Path) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk is full"):
        write_atomically(page, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert page.read_bytes() == b"old"
