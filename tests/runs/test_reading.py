"""Reading a run folder back, and saying what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imbtk.errors import RunFolderError
from imbtk.runs.reading import REQUIRED, read_run, sample_kind


def test_what_was_written_is_read(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=100, patients=30))
    assert record.class_names == ("a", "b")
    assert record.groups_known
    assert record.noun == "image"
    assert set(record.predictions) == {"validation", "test"}
    test = record.predictions["test"]
    assert test.probabilities.shape == (len(test.rows), 2)
    np.testing.assert_allclose(test.probabilities.sum(1), 1.0)
    np.testing.assert_array_equal(test.predicted, test.probabilities.argmax(1))
    assert test.groups is not None
    assert test.group_numbers is not None
    assert len(np.unique(test.group_numbers)) == len(set(test.groups))
    assert record.history["epoch"].tolist() == list(range(20))


def test_abstention_and_unknown_groups(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=100, images=False)
    lines = (folder / "predictions.csv").read_text().splitlines()
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:4], "", *cells[5:]])
    (folder / "predictions.csv").write_text("\n".join(lines))
    record = read_run(folder)
    side = record.predictions[cells[1]]
    assert side.predicted[0] == -1
    assert side.groups is None
    assert not record.groups_known
    assert record.noun == "row"


@pytest.mark.parametrize("name", REQUIRED)
def test_incomplete_folder(make_run: Callable[..., Path], name: str) -> None:
    folder = make_run(rows=50)
    (folder / name).unlink()
    with pytest.raises(
        RunFolderError, match=rf"run lacks {name}, so there is no finished run to report on\. Give the"
    ) as refused:
        read_run(folder)
    assert "resume" not in str(refused.value)


def test_all_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=", ".join(REQUIRED)):
        read_run(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="nowhere is no folder"):
        read_run(tmp_path / "nowhere")


@pytest.mark.parametrize(("name", "newest"), [("metrics.json", 2), ("plan.json", 1)])
def test_newer_version(make_run: Callable[..., Path], name: str, newest: int) -> None:
    folder = make_run(rows=50)
    document = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(document | {"schema_version": newest + 1}))
    with pytest.raises(RunFolderError, match=rf"{name} .* {newest + 1}; .* reads up to {newest}.*update imbtk"):
        read_run(folder)
    del document["schema_version"]
    (folder / name).write_text(json.dumps(document))
    with pytest.raises(RunFolderError, match=rf"{name} does not say its schema_version"):
        read_run(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", "{", "cannot be read as JSON"),
        ("plan.json", "[]", "holds no JSON object"),
        ("metrics.json", '{"schema_version": 1}', "lacks class_names"),
        ("config.toml", "data = ", "cannot be read as TOML"),
        ("split.csv", "row,file\n", "lacks the column label, group, split"),
        ("predictions.csv", "row,split\n", "lacks the column group, truth, predicted"),
        ("gallery.npz", "no zip", "gallery.npz cannot be read.*Delete it to make the page without images"),
        ("audit.json", "{", "audit.json cannot be read as JSON"),
    ],
)
def test_broken_file(make_run: Callable[..., Path], name: str, content: str, message: str) -> None:
    folder = make_run(rows=50)
    (folder / name).write_text(content)
    with pytest.raises(RunFolderError, match=message):
        read_run(folder)


def test_broken_line(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=50)
    with (folder / "predictions.csv").open("a") as file:
        file.write("7,test,,neither,a,0.5,0.5\n")
    with pytest.raises(RunFolderError, match=r"predictions\.csv has a line that cannot be read: 'neither'"):
        read_run(folder)


def test_text_in_history_is_left_out(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=50)
    (folder / "history.csv").write_text("epoch,train_loss,note\n0,,warm\n1,0.5,cold\n")
    history = read_run(folder).history
    assert set(history) == {"epoch", "train_loss"}
    np.testing.assert_array_equal(history["train_loss"], [np.nan, 0.5])


def test_kind_of_a_folder_without_model(tmp_path: Path) -> None:
    assert sample_kind(tmp_path) is None
