"""A run folder has its name only when everything is in it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from imbtk.errors import DataError, ImbtkError, TrainingError
from imbtk.runs.format import LOGITS
from imbtk.runs.unfinished import unfinished_path
from imbtk.runs.writing import RunFolder, free_name


def test_a_folder_is_named_when_all_is_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.made(discard=False):
        assert folder.path == unfinished_path(tmp_path / "run")
        folder.write_json("plan.json", {"epochs": 3})
        folder.write_csv("history.csv", ["epoch", "loss"], [[0, 0.5], [1, None]])
        folder.write_logits(np.array([4, 7]), np.array([[0.5, -0.5], [1.0, 2.0]]))
        assert not (tmp_path / "run").exists()
    assert folder.path == tmp_path / "run"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    written = {path.name for path in folder.path.iterdir() if not path.name.startswith(".")}
    assert written >= {"plan.json", "history.csv", LOGITS, "log.txt"}
    assert json.loads((folder.path / "plan.json").read_text()) == {"epochs": 3}
    assert (folder.path / "history.csv").read_text() == "epoch,loss\n0,0.5\n1,\n"
    with np.load(folder.path / LOGITS) as kept:
        assert kept["rows"].tolist() == [4, 7]
        assert kept["logits"].tolist() == [[0.5, -0.5], [1.0, 2.0]]
    assert re.search(r"  done in \d+\.\d s\n$", (folder.path / "log.txt").read_text())


def test_lines_of_the_log_have_their_time(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.made(discard=False):
        folder.log("é now")
    lines = (folder.path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  é now", lines[0])


def test_a_mistake_before_anything_was_learnt_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError), RunFolder(tmp_path / "run").made(discard=False):
        raise DataError("two labels.")
    assert list(tmp_path.iterdir()) == []


def test_what_stopped_a_training_stays_with_what_went_wrong(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")

    def train() -> None:
        (folder.path / "checkpoint").mkdir()
        raise TrainingError("the loss is not finite.")

    with pytest.raises(TrainingError), folder.made(discard=False):
        train()
    assert [path.name for path in tmp_path.iterdir()] == ["run.unfinished"]
    log = (folder.path / "log.txt").read_text()
    assert "Traceback" in log
    assert "the loss is not finite." in log
    assert "done in" not in log


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_nobody_expected_leaves_its_folder_too(error: type[BaseException], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(error) as caught, folder.made(discard=False):
        raise error
    assert folder.path.name == "run.unfinished"
    assert error.__name__ in (folder.path / "log.txt").read_text()
    told = [f"What the run had so far is in '{folder.path}'."] if error is KeyboardInterrupt else []
    assert getattr(caught.value, "__notes__", []) == told


def fails_in(folder: RunFolder) -> None:
    """Leave a file of one's own, where there is none yet, and fail."""
    (folder.path / "mine").touch(exist_ok=False)
    (folder.path / "no such file").read_text()


def test_an_attempt_before_is_deleted_only_when_asked(tmp_path: Path) -> None:
    for discard in (False, True):
        folder = RunFolder(tmp_path / "run")
        with pytest.raises(FileNotFoundError), folder.made(discard):
            fails_in(folder)
    with pytest.raises(ImbtkError), RunFolder(tmp_path / "run").made(discard=False):
        pytest.fail("nothing is done in a folder that holds what another left")
    assert (tmp_path / "run.unfinished" / "mine").exists()


@pytest.mark.parametrize(
    ("plan", "slug"),
    [
        ("focal-loss:gamma=2@50%-", "focal-loss_gamma=2@50%-"),
        ("a b / c\\d", "a_b_c_d"),
        ("", "nothing"),
        ("../..", "nothing"),
        ("x" * 200, "x" * 60),
        ("é:ü", "nothing"),
    ],
)
def test_a_name_is_the_time_and_the_plan_in_plain_letters(plan: str, slug: str, tmp_path: Path) -> None:
    path = free_name(tmp_path, plan)
    assert path.parent == tmp_path
    assert re.fullmatch(r"\d{8}-\d{6}-" + re.escape(slug), path.name)


def test_a_name_that_is_taken_is_counted_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda *given: "20240229-130509")
    names = []
    for taken in ("{}", "{}.unfinished", "{}"):
        path = free_name(tmp_path, "nothing")
        names.append(path.name)
        (tmp_path / taken.format(path.name)).mkdir()
    stem = "20240229-130509-nothing"
    assert names == [stem, f"{stem}-2", f"{stem}-3"]
