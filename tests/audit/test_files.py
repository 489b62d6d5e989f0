"""Tests of what is said of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imbtk.audit.files import broken_findings, file_findings, giveaway
from imbtk.audit.subject import AuditedData
from imbtk.data import load
from imbtk.data.faults import Faults

Draw = Callable[..., Image.Image]
MakeSubject = Callable[..., AuditedData]


def test_formats_and_sizes(folder: Path, picture: Draw) -> None:
    picture(50).resize((30, 10)).convert("L").save(folder / "ill" / "i9-0.jpg")
    (finding,) = file_findings(AuditedData(load(folder)))
    assert finding.level == "ok"
    assert finding.title == "Files: PNG and 1 more, 64×64 and 1 more, RGB and 1 more"
    assert "13 files. Stored at 64×64 pixels, in colour" in finding.text
    assert "1 image much smaller than the others (down to 10 pixels)" in finding.text
    assert finding.table is not None
    assert ("format", "JPEG", 1) in finding.table.rows
    assert ("size", "64×64", 12) in finding.table.rows
    (quick,) = file_findings(AuditedData(load(folder), thorough=False))
    assert quick.title == "Files: png and 1 more"


def test_a_format_that_gives_the_class_away(folder: Path) -> None:
    for path in list((folder / "ill").iterdir()):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    (finding,) = file_findings(AuditedData(load(folder)))
    assert finding.level == "warning"
    assert "The format of the file alone nearly gives the class away" in finding.text
    assert "The size" not in finding.text


@pytest.mark.parametrize(
    ("values", "expected"),
    [("aabb", 1.0), ("abab", 0.0), ("aaab", 0.5), ("aaaa", None)],
)  # fmt: skip
def test_giveaway_is_balanced_accuracy_above_chance(values: str, expected: float | None) -> None:
    assert giveaway(list(values), np.array([0, 0, 1, 1])) == expected


def test_many_different_sizes_give_nothing_away() -> None:
    assert giveaway([str(n) for n in range(30)], np.arange(30) % 2) is None


def test_arrays_and_tables(make_subject: MakeSubject) -> None:
    (arrays,) = file_findings(make_subject([0, 1], x=torch.zeros(2, 1, 8, 6, dtype=torch.uint8)))
    assert (arrays.title, arrays.text[:27]) == ("2 images in arrays", "Stored at 8×6 pixels, in gr")
    (table,) = file_findings(make_subject([0, 1, 1]))
    assert table.text == "A table of 3 rows and 1 feature."
    assert broken_findings(make_subject([0, 1])) == []


def test_broken_files_are_all_named(folder: Path) -> None:
    dataset = load(folder)
    assert broken_findings(AuditedData(dataset))[0].level == "ok"
    (finding,) = broken_findings(AuditedData(dataset, faults=Faults(broken={"a.png": "the file is empty"})))
    assert (finding.level, finding.title) == ("error", "1 file cannot be read")
    assert finding.table is not None
    assert finding.table.rows == (("a.png", "the file is empty"),)


def test_a_file_that_has_gone_since_is_said_so(folder: Path) -> None:
    dataset = load(folder)
    (folder / "ill" / "i0-0.png").unlink()
    (finding,) = file_findings(AuditedData(dataset))
    assert finding.table is not None
    assert ("format", "no such file or directory", 1) in finding.table.rows
