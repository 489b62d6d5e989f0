"""What was asked, and what strategies do to the classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imbtk.report.blocks import Details, Plot, Table, Text
from imbtk.report.drawings import Drawings
from imbtk.report.setup_sections import asked_section, changed_stages, classes_section, index_words, when_words
from imbtk.runs.reading import read_run


def test_the_plan_in_words(make_run: Callable[..., Path]) -> None:
    section = asked_section(read_run(make_run(rows=60)))
    first, _, table, defaults = section.blocks
    assert isinstance(first, Text)
    assert "for 20 epochs on 24 images" in first.text
    assert first.text.endswith("with seed 3.")
    assert isinstance(table, Table)
    assert [row[0].text for row in table.rows] == ["oversample:power=0.5", "class-weights:scheme=sqrt@0-60%"]
    assert [row[2].text for row in table.rows] == ["all epochs", "epochs 1–12"]
    assert isinstance(defaults, Details)


def test_windows_in_words() -> None:
    assert when_words(None, 20) == "all epochs"
    assert when_words("80%-", 20) == "epochs 17–20"
    assert when_words("5-", None) == "epochs 5-"
    assert when_words("30-", 20) == "never (30-)"


def test_stages_that_change_nothing_are_left_out() -> None:
    rows = {"natural": [3, 1], "resampled": [0.75, 0.25], "ordered": [0.5, 0.5], "weighted": [1, 1], "effective": None}
    assert changed_stages(rows) == {"natural": [0.75, 0.25], "ordered": [0.5, 0.5]}
    assert list(changed_stages({"natural": [1, 1], "effective": [1, 1]})) == ["natural", "effective"]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (0.0, "left as they are"),
        (0.5, "corrected in part"),
        (1.0, "come to count alike"),
        (2.0, "over-corrected"),
        (-0.5, "made stronger"),
        (None, "cannot be said beforehand"),
    ],
)
def test_index_in_words(index: float | None, words: str) -> None:
    assert words in index_words(index)


def test_phases_with_the_same_frequencies_share_a_figure(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=60, phases=3)
    plan = json.loads((folder / "plan.json").read_text())
    plan["ledger"][2] = {"phase": 2, "rows": plan["ledger"][0]["rows"] | {"effective": None}, "index": None}
    (folder / "plan.json").write_text(json.dumps(plan))
    drawings = Drawings()
    section = classes_section(read_run(folder), drawings)
    drawn = [block for block in section.blocks if isinstance(block, Plot)]
    assert [plot.title.partition(":")[0] for plot in drawn] == ["Epochs 1–13", "Epochs 14–20"]
    assert {"class_distribution_1.csv", "class_distribution_2.csv"} <= set(drawings.files)
    table = [block for block in section.blocks if isinstance(block, Details)][1].blocks[0]
    assert isinstance(table, Table)
    assert table.rows[0][-1].text == "unknown"
