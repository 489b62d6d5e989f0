"""A published table trained again, on a tiny set of idx files and a table in a file of its own."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imbtk
from imbtk.errors import DataError, ImbtkError, OptionError

TABLE = '''
import numpy as np
from imbtk import DecisionRule, PublishedRow, PublishedTable, Strategy, hookimpl

class AlwaysLast(Strategy):
    """Decide for the last class."""

    @hookimpl
    def imbtk_decide(self, context):
        return DecisionRule("logits", np.arange(context.num_classes) * 1e6, name="the last class")

class Halt(Strategy):
    """Look at the end."""

    @hookimpl
    def imbtk_finish(self):
        pass

class Late(Strategy):
    """Weigh nothing."""

    @hookimpl
    def imbtk_class_weights(self, context):
        return context.class_counts.double().clamp(min=1).pow(0)

@hookimpl
def imbtk_plans():
    options = {"model": "linear", "epochs": 4, "induce_imbalance": "4", "batch_size": 16}
    rows = {
        "plain": PublishedRow("", 61.5, "A paper, table 1"),
        "moved": PublishedRow("always-last"),
        "finished": PublishedRow("halt"),
        "staged": PublishedRow("late@75%-"),
        "lacking": PublishedRow("not-there:option=1 plain-too", 70.0, "A paper", note="another network"),
        "refused": PublishedRow("late@1-2 late@1-3"),
    }
    return {"tiny": PublishedTable("A tiny table.", "four idx files", 2, options, rows, note="Tiny.")}
'''


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "table.py").write_text(TABLE, encoding="utf-8")
    return str(tmp_path / "table.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of idx files: 40 training and 20 test images of two classes, one image on both sides."""
    rng, folder = np.random.default_rng(0), tmp_path / "data"
    folder.mkdir()
    test = None
    for part, count in (("t10k", 20), ("train", 40)):
        labels = np.arange(count, dtype=np.uint8) % 2
        images = rng.integers(0, 100, (count, 8, 8), dtype=np.uint8) + 100 * labels[:, None, None]
        if test is None:
            test = images[0]
        else:
            images[0] = test
        for stem, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
            (folder / f"{part}-{stem}-ubyte").write_bytes(head + values.astype(np.uint8).tobytes())
    return folder


def _reproduce(table: str, folder: Path, **options: Any) -> dict[str, Any]:
    out = folder.parent / "out"
    return imbtk.reproduce("tiny", folder, out=out, plugins=[table], device="cpu", quiet=True, **options)


def test_ours_beside_the_published_figures(table: str, folder: Path) -> None:
    document = _reproduce(table, folder)
    assert document == json.loads((folder.parent / "out" / "reproduction.json").read_text(encoding="utf-8"))
    assert document["training_rows_per_class"] == [20, 5]
    assert document["notes"][0] == "Tiny."
    assert "chosen on the test rows, and too good for that" in document["notes"][1]
    rows = {row["name"]: row for row in document["rows"]}
    assert list(rows) == ["plain", "moved", "finished", "staged", "lacking", "refused"]

    plain = rows["plain"]
    assert (plain["published"], plain["source"], plain["reason"]) == (61.5, "A paper, table 1", "")
    history = imbtk.load(folder.parent / "out" / "plain").history
    accuracies = [100 * record["validation_accuracy"] for record in history]
    assert len(accuracies) == 4
    assert plain["last"] == pytest.approx(accuracies[-1])
    assert plain["best"] == pytest.approx(max(accuracies))
    assert accuracies[plain["best_epoch"] - 1] == pytest.approx(max(accuracies))

    # All 20 test rows are for the last class, which is half of them; no epoch was looked at like that.
    assert rows["moved"]["last"] == 50.0
    assert rows["moved"]["best"] is None
    assert rows["finished"]["last"] == plain["last"]
    assert rows["finished"]["best"] is None
    assert rows["staged"]["best_epoch"] == 4
    assert rows["lacking"]["reason"] == "not installed: 'not-there', 'plain-too'"
    assert rows["lacking"]["last"] is None
    assert "is claimed by 'late@1-2'" in rows["refused"]["reason"]


def test_what_is_there_is_not_trained_again(table: str, folder: Path) -> None:
    first = _reproduce(table, folder, rows=["plain"], epochs=1)
    assert [row["name"] for row in first["rows"]] == ["plain"]
    assert (first["epochs"], first["published_epochs"]) == (1, 4)
    page = folder.parent / "out" / "plain" / "metrics.json"
    before = page.stat().st_mtime_ns
    second = _reproduce(table, folder, rows=["plain", "finished"], epochs=1)
    assert page.stat().st_mtime_ns == before
    assert [row["name"] for row in second["rows"]] == ["plain", "finished"]
    assert second["rows"][0] == first["rows"][0]
    with pytest.raises(ImbtkError, match=r"with another epochs \(1, now 4\)\. Choose another --out"):
        _reproduce(table, folder)
    with pytest.raises(ImbtkError, match="with another seed"):
        _reproduce(table, folder, epochs=1, seed=1)


def test_what_is_not_there(table: str, folder: Path) -> None:
    with pytest.raises(OptionError, match=r"the table 'tiny' has no row 'plan'\. Did you mean 'plain'"):
        _reproduce(table, folder, rows=["plan"])
    with pytest.raises(OptionError, match=r"no plugin offers a published table 'tin'\. Did you mean 'tiny'"):
        imbtk.reproduce("tin", folder, plugins=[table], quiet=True)
    (folder.parent / "out").mkdir()
    (folder.parent / "out" / "mine.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(ImbtkError, match="holds something else than a reproduction"):
        _reproduce(table, folder)


def test_data_of_another_kind(table: str, folder: Path, tmp_path: Path) -> None:
    out = {"out": tmp_path / "other", "plugins": [table], "quiet": True}
    with pytest.raises(DataError, match=r"has 10 classes, and the table is of 2\. It takes four idx files"):
        imbtk.reproduce("tiny", "builtin:digits", **out)
    x = np.random.default_rng(0).integers(0, 255, (8, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "whole.npz", x=x, y=np.arange(8) % 2)
    with pytest.raises(DataError, match="gives no split into training and test rows"):
        imbtk.reproduce("tiny", tmp_path / "whole.npz", **out)
    assert not (tmp_path / "other").exists()
