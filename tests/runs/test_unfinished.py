"""What is unfinished is deleted when the user says so, and only if it is imbtk's."""

from __future__ import annotations

from pathlib import Path

import pytest

import imbtk
from imbtk.errors import ImbtkError, RunFolderError
from imbtk.planning.config import make_config, write_config
from imbtk.runs.unfinished import begin, check_unfinished, finish, writing_folder


def killed(folder: Path) -> Path:
    """Leave a folder as a kill does, with a checkpoint in it."""
    path = begin(folder)
    (path / "checkpoint").mkdir()
    (path / "checkpoint" / "last.ckpt").write_bytes(b"hours of work")
    return path


def test_what_was_killed_is_deleted_only_when_asked(tmp_path: Path) -> None:
    left = killed(tmp_path / "run")
    for write in (check_unfinished, begin):
        with pytest.raises(
            RunFolderError, match=r"run\.unfinished' is there, and holds a checkpoint: .* --discard-unfi"
        ):
            write(tmp_path / "run", False)
    assert (left / "checkpoint" / "last.ckpt").read_bytes() == b"hours of work"
    begin(tmp_path / "run", True)
    assert not (left / "checkpoint").exists()
    finish(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    assert not left.exists()


@pytest.mark.parametrize("discard", [True, False])
@pytest.mark.parametrize("what", ["folder", "file", "link", "dangling"])
def test_what_is_not_ours_is_never_deleted(tmp_path: Path, what: str, discard: bool) -> None:
    path, theirs = tmp_path / "run.unfinished", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("mine")
    if what == "folder":
        theirs.rename(path)
    elif what == "file":
        path.write_text("mine")
    else:
        path.symlink_to(theirs if what == "link" else tmp_path / "nowhere")
    with pytest.raises(
        RunFolderError, match=r"is no folder that imbtk left unfinished: it is not deleted\. Move it away"
    ):
        begin(tmp_path / "run", discard)
    assert path.is_symlink() or path.exists()
    assert [file.read_text() for file in tmp_path.rglob("*.txt")] == ["mine"]


def test_an_empty_one_of_a_kill_before_the_mark_counts_as_ours(tmp_path: Path) -> None:
    (tmp_path / "run.unfinished").mkdir()
    with pytest.raises(RunFolderError, match=r"run\.unfinished' is there: what was to become"):
        begin(tmp_path / "run")
    begin(tmp_path / "run", True)


def half(folder: Path) -> None:
    with writing_folder(folder) as path:
        (path / "half").touch()
        raise ZeroDivisionError


def late(folder: Path) -> None:
    with writing_folder(folder) as path:
        (path / "whole").touch()
        folder.mkdir()


def test_a_block_writes_all_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        half(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunFolderError, match=r"x' appeared meanwhile, .* what was made is in '.*x\.unfinished'"):
        late(tmp_path / "x")
    assert (tmp_path / "x.unfinished" / "whole").exists()


def test_a_run_again_after_a_kill_keeps_the_checkpoint(tmp_path: Path) -> None:
    left = killed(tmp_path / "run")
    options = {"epochs": 1, "model": "linear", "quiet": True, "out": str(tmp_path / "run")}
    with pytest.raises(ImbtkError, match=r"discard_unfinished=True in Python"):
        imbtk.run("builtin:breast-cancer", **options)
    assert (left / "checkpoint" / "last.ckpt").exists()
    found = imbtk.run("builtin:breast-cancer", discard_unfinished=True, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert "discard" not in (found.folder / "config.toml").read_text(), "to repeat a run deletes nothing"
    assert not (found.folder / ".imbtk-unfinished").exists()


def test_the_option_stays_out_of_the_record(tmp_path: Path) -> None:
    write_config(make_config({"discard_unfinished": True, "epochs": 3}), tmp_path / "config.toml")
    assert "discard" not in (tmp_path / "config.toml").read_text()


def test_a_comparison_takes_no_such_option() -> None:
    with pytest.raises(ImbtkError, match="a comparison goes on where it was"):
        imbtk.compare("builtin:breast-cancer", ["class-weights"], discard_unfinished=True)
