"""Tests of files of our own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imbtk.errors import RunFolderError
from imbtk.files import (
    cache_folder,
    csv_text,
    read_document,
    read_versioned,
    replacing,
    write_atomically,
    write_csv,
    write_json,
)


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

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk is full"):
        write_atomically(page, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert page.read_bytes() == b"old"


def test_a_file_gets_its_name_at_the_end_and_its_ending_at_once(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".npz")
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_block_has_not_finished_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "page.html"

    def interrupted(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        interrupted(temporary)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with replacing(path) as first, replacing(path) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first"  # the last to end, whole
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_for_people_and_programs(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_json(path, {"b": ["é", None], "a": 0.1})
    text = path.read_text(encoding="utf-8")
    assert text == '{\n "b": [\n  "é",\n  null\n ],\n "a": 0.1\n}\n'
    assert read_document(path) == json.loads(text) == {"b": ["é", None], "a": 0.1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_is_no_json_is_refused_and_the_old_file_stays(value: object, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_json(path, {})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, {"x": value})
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]
    assert read_document(path) == {}


def test_a_table_is_written_as_text_says(tmp_path: Path) -> None:
    head, rows = ["row", "name"], [[1, 'a, "b"'], [2, None], [3, "two\nlines"], [4, "é"]]
    write_csv(tmp_path / "t.csv", head, iter(rows))
    expected = 'row,name\n1,"a, ""b"""\n2,\n3,"two\nlines"\n4,é\n'
    assert (tmp_path / "t.csv").read_bytes() == expected.encode()
    assert csv_text(head, rows) == expected


def test_a_table_whose_rows_end_in_an_error_is_not_there(tmp_path: Path) -> None:
    def rows() -> Iterator[list[int]]:
        yield [1]
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_csv(tmp_path / "t.csv", ["x"], rows())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"cannot be read as JSON"),
        ("[1]", r"holds no JSON object"),
        ("{}", r"does not say its schema_version"),
        ('{"schema_version": "2"}', r"does not say its schema_version"),
        ('{"schema_version": 3}', r"has schema_version 3; this imbtk reads up to 2\. .* update imbtk"),
        (None, r"cannot be read as JSON"),
    ],
)
def test_a_document_that_cannot_be_read_says_why(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RunFolderError, match=said):
        read_versioned(path, 2)


def test_older_schemas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    for version in (1, 2):
        write_json(path, {"schema_version": version})
        assert read_versioned(path, 2) == {"schema_version": version}
