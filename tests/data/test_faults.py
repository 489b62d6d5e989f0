"""What is wrong with data, written down by who reads on and raised by who does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imbtk.data import DataOptions, load
from imbtk.data.faults import BrokenFilesError, Faults


def test_a_tolerant_reading_leaves_broken_files_out_and_writes_them_down(class_folders: Path) -> None:
    (class_folders / "cat" / "0.png").write_bytes(b"GIF89a")
    shutil.copy(class_folders / "cat" / "1.png", class_folders / "dog" / "copy.png")
    faults = Faults()
    options = DataOptions(group_pattern=r"(\w+)\.png")
    dataset = load(class_folders, options.tolerating(faults))
    assert list(faults.broken) == ["cat/0.png"]
    assert faults.conflicts == [(("cat/1.png", "cat"), ("dog/copy.png", "dog"))]
    assert len(dataset) == len(dataset.row_names) == 6
    assert set(dataset.group_names) == {"1 + copy", "2", "0"}
    assert options.faults is None
    with pytest.raises(BrokenFilesError) as caught:
        load(class_folders, options)
    assert list(caught.value.reasons) == [0]
