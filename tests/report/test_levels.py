"""Which level and class a page is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imbtk.report import levels
from imbtk.report.levels import headline_class, levels_of, main_side
from imbtk.runs.reading import read_run


def test_levels(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=200, patients=60))
    image, patient = levels_of(record, "test")
    assert [image.words, patient.slug] == ["test, per image", "test_per_group"]
    rows, units = record.predictions["test"], patient.predictions
    assert units is not None
    assert rows.groups is not None
    assert len(units.labels) == len(set(rows.groups)) == patient.metrics["n"]
    first = rows.probabilities[rows.groups == sorted(set(rows.groups))[0]].mean(0)
    np.testing.assert_allclose(units.probabilities[0], first)


def test_no_patients_one_level(make_run: Callable[..., Path]) -> None:
    assert [level.unit for level in levels_of(read_run(make_run(rows=60)), "test")] == ["image"]


def test_headline_is_the_positive_class_else_the_rare_one(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=200)
    document = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(document | {"positive_class": "a"}))
    assert headline_class(read_run(folder)) == 0
    assert headline_class(read_run(make_run("other", classes=3, rows=200))) == 2


def test_validation_stands_in_for_test(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=60)
    document = json.loads((folder / "metrics.json").read_text())
    del document["test"]
    (folder / "metrics.json").write_text(json.dumps(document))
    assert main_side(read_run(folder)) == "validation"


def test_groups_are_pooled_once_for_all_sections(
    make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read_run(make_run(classes=["a", "b"], rows=200, patients=60))
    pooled, calls = levels.per_group, []
    monkeypatch.setattr(levels, "per_group", lambda *given, **named: calls.append(1) or pooled(*given, **named))
    for _ in range(3):
        assert len(levels_of(record, "test")) == 2
        assert main_side(record) == "test"
    assert len(calls) == 1
